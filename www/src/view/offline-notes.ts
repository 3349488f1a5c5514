// What is told of use without a connection, and of a newer version of the page.
import { workOffline } from "../offline.ts";
import type { Announce } from "./announcer.ts";
import { button, byId, el, fill } from "./dom.ts";

export function mountOfflineNotes(announce: Announce): void {
  void workOffline({
    kept: () => {
      byId("offline-note").textContent = "What was loaded is kept: this page opens without a connection, too.";
    },
    update: (takeOver) => {
      const note = byId("update");
      note.hidden = false;
      fill(note, el("span", {}, "A newer version of this page is there."), " ", button("Reload", takeOver, { id: "take-over" }));
      announce("A newer version of this page is there.");
    },
  });
}

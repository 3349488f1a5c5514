// To pass on: a report, or a link with the settings. The question belongs to neither unless that is ticked.
import { reportOf } from "../report.ts";
import { fragmentOf } from "../settings.ts";
import type { Store } from "../state.ts";
import { VERSION } from "../version.ts";
import type { Announce } from "./announcer.ts";
import { copyText } from "./copy.ts";
import { button, byId } from "./dom.ts";

export function mountSharePanel(store: Store, announce: Announce): void {
  const texts = byId<HTMLInputElement>("share-texts");
  const field = byId<HTMLTextAreaElement>("shared");
  const show = async (text: string) => {
    field.value = text;
    field.rows = Math.min(12, text.split("\n").length + 1);
    field.hidden = false;
    const told = await copyText(field);
    byId("share-told").textContent = told;
    announce(told);
  };
  const copyReport = async () => show(await reportOf(store.state, VERSION, new Date(), texts.checked));
  const copyLink = () => {
    const page = new URL(location.href);
    const question = texts.checked && store.state.question !== "" ? store.state.question : undefined;
    return show(new URL(fragmentOf(store.state, page, question), page).href);
  };
  byId("share-actions").append(button("Copy a report", () => void copyReport(), { id: "copy-report" }), button("Copy a link", () => void copyLink(), { id: "copy-link" }));
}

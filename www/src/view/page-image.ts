// The page as a picture: where on it does each token of a question match? Fetched when it is opened, not before.
import type { ScoredExplanation } from "tabrank";
import { openPageImage, type PageImage, type Question } from "../page-image.ts";
import { asProblem } from "../problem.ts";
import { button, byId, el, fill } from "./dom.ts";
import { pageHeat } from "./page-heat.ts";
import { problemNote } from "./problem.ts";

export function mountPageImage(folder: URL): void {
  const details = byId<HTMLDetailsElement>("page-image");
  const body = byId("page-image-body");
  let begun = false;
  const open = async () => {
    begun = true;
    fill(body, el("p", { class: "aside" }, "Fetching the page…"));
    try {
      await show(body, await openPageImage(folder));
    } catch (error) {
      fill(body, problemNote("The page could not be shown.", asProblem(error), () => void open()));
    }
  };
  details.addEventListener("toggle", () => {
    if (details.open && !begun) void open();
  });
}

async function show(body: HTMLElement, image: PageImage): Promise<void> {
  const answer = el("div", { class: "explanation" });
  const choices = image.questions.map(({ text }, place) => button(text, () => void choose(place)));
  const choose = async (place: number) => {
    choices.forEach((choice, other) => choice.setAttribute("aria-pressed", String(other === place)));
    const explanation = await image.explain(place);
    // Another may have been chosen meanwhile.
    if (choices[place]?.ariaPressed === "true") fill(answer, ...answerView(image, image.questions[place]!, explanation));
  };
  fill(body, el("ul", { class: "page-questions", role: "list", "aria-label": "Questions to the page" }, ...choices.map((choice) => el("li", {}, choice))), answer);
  await choose(0);
}

function answerView(image: PageImage, { tokens }: Question, { matches, maps = [] }: ScoredExplanation): HTMLElement[] {
  const picture = el("img", { src: image.picture.href, width: image.width, height: image.height, alt: "A printed page of text about Nikola Tesla, with the headings Experiments and Later life" });
  return pageHeat(picture, image, matches.map((match, place) => ({ token: tokens[place]!, match, map: maps[place]! })));
}

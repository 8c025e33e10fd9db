// The page: a picture, what is asked about it, and where the answer read.

import { hideHeat, showHeat } from "./heat.js";
import { drawAnswer, drawRefusal, drawTurn, drawWaiting, listFacts, make } from "./thread.js";

const byId = (id) => document.getElementById(id);
let facts = null;
let picture = null; // {name, file, shown, given, ...}, as the server saw it
let turns = []; // all that was asked on this page, the oldest first
let lit = null; // the button whose heat map is shown
let coming = null; // the stopper of the picture that was chosen and is not shown yet

async function send(path, form, signal) {
  const away = { message: "The server cannot be reached.", next: "See whether it still runs, then try again." };
  try {
    const response = await fetch(path, form ? { method: "POST", body: form, signal } : {});
    const body = await response.json();
    return response.ok ? { body } : { refusal: body };
  } catch (error) {
    if (error.name === "AbortError") return { refusal: { message: "You stopped this question.", next: "" } };
    return { refusal: away };
  }
}

// Picture

function showPicture(seen) {
  picture = seen;
  dim();
  byId("image").src = seen.shown;
  byId("image").alt = `The picture that is asked about: ${seen.name}`;
  byId("caption").textContent = `${seen.name} · ${seen.format}, ${seen.width} × ${seen.height} pixels`;
  byId("shown").hidden = false;
  byId("drop").classList.add("unseen");
  byId("given").src = seen.given;
  byId("given").alt = "The picture as the model is given it";
  byId("given-words").textContent = `Squeezed into a square of ${seen.given_px} × ${seen.given_px} pixels: finer detail is lost to the model.`;
  byId("tokens").hidden = !seen.tokens;
  if (seen.tokens) byId("tokens").src = seen.tokens;
  byId("tokens").alt = "The picture drawn again from its image tokens";
  byId("tokens-words").textContent = seen.tokens
    ? `Drawn again from ${seen.num_tokens} image tokens, the alphabet in which the model learnt pictures. It answers from the square beside it, not from these.`
    : `No image tokens to show. ${seen.why_no_tokens}`;
  byId("sees").hidden = false;
  byId("ask-error").hidden = true;
}

function complain(place, refusal) {
  byId(place).replaceChildren(make("b", { textContent: refusal.message }), refusal.next);
  byId(place).hidden = false;
}
const refusePicture = (refusal) => complain("picture-error", refusal);

async function takeFile(file, suggestions = []) {
  await ready;
  if (!facts) return; // the page has said why
  coming?.abort(); // of two pictures the one that was chosen last is shown, whichever is read first
  coming = null;
  markComing();
  byId("picture-error").hidden = true;
  if (file.size > facts.limits.image_bytes) {
    refusePicture({ message: `The image has ${(file.size / 1e6).toFixed(0)} MB; at most ${facts.limits.image_bytes / 1e6} MB are taken.`, next: "Export it smaller: the model sees far fewer pixels anyway." });
    return;
  }
  const form = new FormData();
  form.append("image", file, "image");
  const own = coming = new AbortController();
  markComing();
  const { body, refusal } = await send("/api/see", form, own.signal);
  if (own !== coming) return;
  coming = null;
  markComing();
  if (refusal) return refusePicture(refusal);
  showPicture({ ...body, name: file.name || "a pasted picture", file });
  suggest(suggestions);
  if (facts.takes.question) byId("question").focus({ preventScroll: matchMedia("(max-width: 899px)").matches });
}

function markComing() {
  document.querySelector(".frame").classList.toggle("busy", !!coming);
  byId("drop").ariaBusy = `${!!coming}`;
}

function suggest(questions) {
  const buttons = questions.map((words) => {
    const button = make("button", { type: "button", textContent: words });
    button.addEventListener("click", () => { byId("question").value = words; byId("ask").requestSubmit(); });
    return button;
  });
  byId("suggestions").replaceChildren(...buttons);
  byId("suggestions").hidden = !buttons.length;
}

async function showExamples() {
  const { body } = await send("/api/examples");
  if (!body?.length) return;
  byId("examples").querySelector("ul").replaceChildren(...body.map((example) => {
    const button = make("button", { type: "button" }, make("img", { src: example.image, alt: "" }), make("span", { textContent: example.title }));
    button.ariaLabel = example.title;
    button.addEventListener("click", () => {
      const bytes = Uint8Array.from(atob(example.image.split(",")[1]), (letter) => letter.charCodeAt(0));
      takeFile(new File([bytes], example.title), facts.takes.question ? example.questions : []);
    });
    return make("li", {}, button);
  }));
  byId("examples").hidden = false;
}

// Heat map

function dim() {
  hideHeat();
  if (lit) { lit.ariaPressed = "false"; lit.textContent = "Show where it read"; }
  lit = null;
}

function light(turn, attention, button) {
  const wasLit = lit === button;
  if (turn.picture !== picture) showPicture(turn.picture);
  dim();
  if (wasLit) return;
  lit = button;
  lit.ariaPressed = "true";
  lit.textContent = "Hide where it read";
  showHeat(attention.cells);
  if (matchMedia("(max-width: 899px)").matches) byId("shown").scrollIntoView({ block: "start" });
}

// Questions

// Earlier turns about the same picture, the newest first, as the model was trained to read them.
function layOut(now) {
  return turns.filter((turn) => turn !== now && turn.picture === now.picture && turn.said)
    .reverse().map((turn) => `question: ${turn.question} answer: ${turn.said}`.toLowerCase()).join(" ")
    .slice(0, facts.limits.text_chars);
}

function formOf(turn) {
  const form = new FormData();
  if (turn.picture) form.append("image", turn.picture.file, "image");
  if (facts.takes.question) form.append("question", turn.question);
  const text = facts.takes.history ? layOut(turn) : turn.text;
  if (facts.takes.text && text) form.append("text", text);
  for (const option of turn.options) form.append("option", option);
  form.append("explain", "true");
  return form;
}

async function ask(turn) {
  const stopper = new AbortController();
  drawWaiting(turn, () => stopper.abort());
  const { body, refusal } = await send("/api/ask", formOf(turn), stopper.signal);
  if (refusal) {
    drawRefusal(turn, refusal, () => ask(turn));
    return;
  }
  turn.said = body.said.answer;
  drawAnswer(turn, body, facts, (button) => light(turn, body.attention, button));
  turn.entry.scrollIntoView({ block: "nearest" });
}

// What is missing before anything can be asked, or nothing.
function findMissing(question) {
  if (coming) return { message: "The picture is still being read.", next: "Ask once it is shown." };
  if (facts.takes.image === "needed" && !picture) return { message: "There is no picture yet.", next: "Choose one, or click on a made-up one." };
  if (facts.takes.text && !facts.takes.history && !facts.takes.question && !byId("text").value.trim()) return { message: "There is no text yet.", next: "Paste or type the text that is to be worked on." };
  if (facts.takes.question && !question) return { message: "The question is empty.", next: "Type a question, then press Enter." };
  return null;
}

// What the server would refuse as too long, told before it leaves its box.
function findTooLong(question) {
  const texts = [["question", question, facts.limits.question_chars], ["text", byId("text").value.trim(), facts.limits.text_chars]];
  for (const [word, value, most] of texts) {
    const num = [...value].length;
    if (num > most) return { message: `The ${word} has ${num.toLocaleString("en")} characters; at most ${most.toLocaleString("en")} are taken.`, next: `Shorten the ${word}.` };
  }
  return null;
}

async function begin(event) {
  event.preventDefault();
  await ready;
  if (!facts) return;
  const question = facts.takes.question ? byId("question").value.trim() : "";
  const fault = findMissing(question) ?? findTooLong(question);
  byId("ask-error").hidden = true;
  if (fault) return complain("ask-error", fault);
  const options = byId("options").value.split("\n").map((line) => line.trim()).filter(Boolean);
  const turn = { question, text: byId("text").value.trim(), options, picture: facts.takes.image === "none" ? null : picture };
  turns.push(turn);
  byId("thread").append(drawTurn(turn));
  byId("question").value = "";
  turn.entry.scrollIntoView({ block: "nearest" });
  ask(turn);
}

function prepare() {
  const takes = facts.takes;
  document.title = `Ask ${facts.name}`;
  byId("model-name").textContent = facts.name;
  byId("image-part").hidden = takes.image === "none";
  document.querySelector("main").classList.toggle("words", takes.image === "none");
  if (takes.image === "none") byId("picture-title").textContent = "Ask about a text";
  byId("question-part").hidden = !takes.question;
  byId("text-part").hidden = !takes.text || takes.history;
  byId("text-label").textContent = takes.text_is;
  byId("options-part").hidden = !takes.options;
  byId("send").textContent = takes.question ? "Ask" : "Let it answer";
  byId("memory").textContent = takes.history ? "It is given your earlier questions about this picture."
    : takes.question ? "Each question stands alone: this model remembers no earlier one." : "";
  byId("follow-ups").textContent = takes.history
    ? "Your earlier questions about the same picture, and what the model said, are given to it again with each question, the newest first."
    : "This model was trained on single questions. A follow-up is asked about the same picture, but the model knows nothing of what was said before: write each question in full.";
  byId("facts").replaceChildren(...listFacts(facts));
}

async function start() {
  const { body, refusal } = await send("/api/model");
  if (refusal) return refusePicture(refusal);
  facts = body;
  prepare();
  showExamples();
}

const ready = start(); // what is dropped or asked sooner waits for it
byId("ask").addEventListener("submit", begin);
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("ask").requestSubmit();
  }
});
byId("file").addEventListener("change", () => {
  const [file] = byId("file").files;
  if (file) takeFile(file);
  byId("file").value = "";
});
byId("hide").addEventListener("click", dim);
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])][0];
  if (file && facts?.takes.image !== "none") takeFile(file);
});
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const file = [...event.dataTransfer.files][0];
  if (file && facts?.takes.image !== "none") takeFile(file);
});

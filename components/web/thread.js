// The thread: one entry for each question, waiting, answered or refused.

export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

const FEWEST = 2, MOST = 5, FAINT = 0.01; // candidates that are drawn; fainter ones only to make up the fewest

function percent(share) {
  if (share > 0 && share < FAINT) return "< 1 %";
  return share < 1 && share > 1 - FAINT ? "> 99 %" : `${Math.round(100 * share)} %`;
}

function drawBar(words, share, isFirst) {
  const fill = make("b");
  fill.style.width = `${100 * share}%`;
  const bar = make("i", { ariaHidden: "true" }, fill);
  return make("li", { className: isFirst ? "first" : "" },
    make("span", { textContent: words }), bar, make("span", { className: "share", textContent: percent(share) }));
}

function drawCandidates(said, facts) {
  if (said.probability_is === "per_token") {
    const words = "The words are chosen one after another. This is how sure the model was of each piece, on average; it is no chance of being right.";
    return [make("ul", { className: "bars" }, drawBar("certainty of each piece", said.probability, true)),
      make("p", { className: "small", textContent: words })];
  }
  const bars = said.candidates.filter((one, i) => i < FEWEST || one.probability >= FAINT).slice(0, MOST).map((one, i) => drawBar(one.text, one.probability, i === 0));
  const number = facts.num_answers ? `the ${facts.num_answers} answers that this model knows` : "the answers to choose among";
  return [make("ul", { className: "bars" }, ...bars),
    make("p", { className: "small", textContent: `How its certainty is spread over ${number}. ${said.calibrated ? `Fitted to how often it is right (${said.calibration}).` : "Not fitted to how often it is right (uncalibrated): 90 % here need not mean nine of ten."}` })];
}

function drawLooking(answer) {
  const blank = answer.without_image;
  if (!blank) return [];
  const isBlind = blank.is_same && (blank.shift === null || blank.shift < 0.05);
  const rows = make("ul", { className: "bars" },
    drawBar(`yours: ${answer.said.answer}`, answer.said.probability, true),
    drawBar(`grey: ${blank.said.answer}`, blank.said.probability, false));
  return [make("div", { className: isBlind ? "looking blind" : "looking" },
    make("h3", { textContent: "Is it looking?" }), make("p", { textContent: blank.words }), rows)];
}

function drawReading(answer, show) {
  const found = answer.attention;
  if (!found) return [];
  const button = make("button", { type: "button", textContent: "Show where it read", ariaPressed: "false" });
  button.addEventListener("click", () => show(button));
  const share = `${percent(found.image_share)} of its attention was on the image (${percent(found.even_share)} if spread evenly), the rest on words. It read ${found.place} most.`;
  const more = make("details", {}, make("summary", { textContent: "What the colours mean" }),
    make("p", { className: "small", textContent: found.method }), make("p", { className: "small", textContent: found.limits }));
  return [make("div", { className: "reading" }, button, make("span", { textContent: share })), more];
}

function drawAsked(turn) {
  const parts = [make("span", { textContent: turn.question || "What does the model say?" })];
  if (turn.picture) parts.unshift(make("img", { src: turn.picture.shown, alt: `About ${turn.picture.name}` }));
  return make("div", { className: "asked" }, ...parts);
}

export function drawTurn(turn) {
  turn.entry = make("li", { tabIndex: -1 }, drawAsked(turn));
  return turn.entry;
}

export function drawWaiting(turn, stop) {
  const time = make("span", { textContent: "The model is reading" });
  const begun = Date.now();
  turn.clock = setInterval(() => {
    time.textContent = `The model is reading, ${Math.round((Date.now() - begun) / 1000)} s`;
  }, 1000);
  const button = make("button", { type: "button", className: "plain", textContent: "Stop" });
  button.addEventListener("click", stop);
  turn.entry.replaceChildren(drawAsked(turn), make("div", { className: "waiting", role: "status" }, make("i"), time, button));
}

export function drawAnswer(turn, answer, facts, show) {
  clearInterval(turn.clock);
  const text = answer.said.answer;
  const said = make("p", { className: "answer", textContent: text || "(it says nothing)" });
  if (!text) said.classList.add("empty");
  if (text.length > 60) said.classList.add("long");
  const cut = answer.num_cut ? [make("p", { className: "small", textContent: `${answer.num_cut} words or word pieces were over the model's limits, and were not read.` })] : [];
  turn.entry.replaceChildren(drawAsked(turn), said, ...drawCandidates(answer.said, facts), ...cut,
    ...drawLooking(answer), ...drawReading(answer, show));
}

export function drawRefusal(turn, refusal, again) {
  clearInterval(turn.clock);
  const button = make("button", { type: "button", className: "plain", textContent: "Try again" });
  button.addEventListener("click", again);
  turn.entry.replaceChildren(drawAsked(turn),
    make("div", { className: "notice", role: "alert" }, make("b", { textContent: refusal.message }), `${refusal.next} `, button));
}

export function listFacts(facts) {
  const rows = [
    ["Model", facts.name], ["Kind of task", facts.task], ["Tuned on", facts.dataset || "no one data set"],
    ["Parameters", facts.parameters.toLocaleString("en")],
    ["Reads images at", `${facts.image_px} × ${facts.image_px} pixels`],
    ["Answers", { closed: `one of ${facts.num_answers} that it knows`, "own options": "one of those that you give", free: "in its own words" }[facts.answers]],
    ["Terms", [facts.licence, ...facts.access].filter(Boolean).join("; ") || "not stated in its folder"],
  ];
  const hashes = Object.entries(facts.version);
  return [...rows, ...hashes].flatMap(([name, value]) => [make("dt", { textContent: name }),
    make("dd", { textContent: value, className: /^[0-9a-f]{64}$/.test(value) ? "hash" : "" })]);
}

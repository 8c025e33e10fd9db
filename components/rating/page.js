// The pages that a rater sees: start, questions, end; by keys or by hand.
const LONGEST_S = 120; // longer than this between two ratings is no work on the second
const REST_AFTER_S = 25 * 60;
let place = 0;
let past = []; // what undo takes back: [place, [[key, level before], ...]]
let lastAct = null; // when the last rating was given, in seconds; null after a break
let workedSinceRest = 0;

const now = () => performance.now() / 1000;

function show(name) {
  for (const part of ["start", "rating", "end"]) byId(part).hidden = part !== name;
}
const isShown = (name) => !byId(name).hidden;

function rate(key, level) {
  countTime();
  past.push([place, [[key, record.ratings[key]]]]);
  record.ratings[key] = level;
  save();
  tell();
}

function countTime() {
  const spent = lastAct === null ? Infinity : now() - lastAct;
  lastAct = now();
  if (spent > LONGEST_S) return;
  record.seconds += spent;
  record.timed += 1;
  workedSinceRest += spent;
}

function undo() {
  const last = past.pop();
  if (!last) {
    byId("state").textContent = "nothing to undo";
    return;
  }
  for (const [key, level] of last[1]) {
    if (level === undefined) delete record.ratings[key];
    else record.ratings[key] = level;
  }
  save();
  place = last[0];
  show("rating");
  draw();
  byId("state").textContent = "taken back";
  const changed = document.getElementsByName(last[1][0][0]);
  if (changed.length) ([...changed].find((input) => input.checked) ?? changed[0]).focus();
}

function drawScale(answer, scale) {
  const key = keyOf(place, answer, scale.name);
  const levels = make("div", { className: "levels" });
  [...scale.levels, "cannot judge"].forEach((words, index) => {
    const level = index < scale.levels.length ? index + 1 : 0;
    const input = make("input", { type: "radio", name: key, value: String(level) });
    input.checked = record.ratings[key] === level;
    input.addEventListener("change", () => rate(key, level));
    const label = make("label", {}, input, make("kbd", { textContent: String(level) }), words);
    if (level === 0) label.className = "unknown";
    levels.append(label);
  });
  return make("fieldset", {}, make("legend", { textContent: scale.question }), levels);
}

function drawAnswer(text, answer) {
  const said = make("p", { textContent: text || "(no answer)" });
  if (!text) said.className = "empty";
  return make("section", { className: "answer" },
    make("h3", { textContent: `Answer ${letters[answer]}` }), said,
    ...study.scales.map((scale) => drawScale(answer, scale)));
}

function draw() {
  const item = study.items[place];
  const question = make("div", { className: "asked" });
  if (item.image) {
    const image = make("img", { src: `data:image/jpeg;base64,${item.image}`, alt: "The image that the question is about" });
    image.addEventListener("click", openZoom);
    question.append(image);
  }
  question.append(make("p", { textContent: item.question }));
  byId("item").className = item.image ? "seen" : "";
  byId("item").replaceChildren(question, make("div", {}, ...item.answers.map(drawAnswer)));
  byId("look").hidden = !item.image;
  tell();
  scrollTo(0, 0);
  (findScale((scale) => !scale.querySelector(":checked")) ?? findScale(() => true)).focus({ preventScroll: true });
}

const scales = () => [...document.querySelectorAll("fieldset")];
function findScale(wanted) {
  const scale = scales().find(wanted);
  return scale && (scale.querySelector(":checked") ?? scale.querySelector("input"));
}

// "about 12 minutes left", from what the ratings took so far; nothing before there are a few.
function timeLeft(missing) {
  if (record.timed < 6 || missing === 0) return "";
  const minutes = (missing * record.seconds) / record.timed / 60;
  if (minutes < 1.5) return "about a minute left";
  if (minutes < 90) return `about ${Math.round(minutes)} minutes left`;
  return `about ${(minutes / 60).toFixed(1)} hours left`;
}

const countOf = (num, noun) => `${num} ${noun}${num === 1 ? "" : "s"}`;
const tellMissing = (num) => `${countOf(num, "rating")} ${num === 1 ? "is" : "are"} missing`;

function tell() {
  const all = [...asked()].length, missing = countMissing(), here = countMissing(place);
  byId("place").textContent = `Question ${place + 1} of ${study.items.length}`;
  byId("left").textContent = workedSinceRest > REST_AFTER_S ? "25 minutes without a break: press b" : timeLeft(missing);
  byId("progress").max = all;
  byId("progress").value = all - missing;
  byId("previous").disabled = place === 0;
  byId("next-words").textContent = place === study.items.length - 1 ? "To the end" : "Next";
  byId("undo").disabled = past.length === 0;
  byId("unrated").disabled = missing === here;
  byId("missing").textContent = missing === 0
    ? "All is rated. Go to the end, and save the ratings to a file."
    : tellMissing(missing) + (here ? `, ${here} of this question.` : ", none of this question.");
}

function go(step) {
  if (isShown("end")) {
    if (step < 0) { show("rating"); draw(); }
    return;
  }
  if (place + step >= study.items.length) { finish(); return; }
  place = Math.max(place + step, 0);
  draw();
}

// The next question after this one where a rating is missing, or the first; the end where none is.
function goToMissing() {
  const open = [...asked()].filter(isMissing).map((entry) => entry[0]);
  if (!open.length) { finish(); return; }
  place = open.find((item) => item > place && !isShown("end")) ?? open[0];
  show("rating");
  draw();
}

function finish() {
  const missing = countMissing();
  show("end");
  scrollTo(0, 0);
  byId("unfinished").hidden = missing === 0;
  byId("end-title").textContent = missing === 0 ? "All is rated. Thank you." : "Not finished yet";
  byId("end-missing").textContent = `${tellMissing(missing)}. A file that lacks any can be gone on from, here or on another computer, but it cannot be joined with the files of others.`;
  byId("file-name").textContent = fileName();
  byId("file-state").textContent = "";
  byId("hand-in").className = missing === 0 ? "main" : "";
  byId(missing === 0 ? "hand-in" : "first-missing").focus();
}

function handIn() {
  writeFile();
  byId("file-state").textContent = "Saved.";
  byId("state").textContent = `saved: ${fileName()}`;
}

function takeBreak() {
  lastAct = null;
  workedSinceRest = 0;
  const all = [...asked()].length, missing = countMissing();
  const kept = isKept ? "All of it is kept in this browser; you may close the page." : "This browser keeps nothing: save to a file before you close the page.";
  byId("break-words").textContent = `${[`${all - missing} of ${all} ratings are given`, timeLeft(missing)].filter(Boolean).join(", ")}. ${kept}`;
  byId("break").showModal();
}

function rateByKey(digit) {
  const current = document.activeElement.closest("fieldset");
  const input = current?.querySelector(`input[value="${digit}"]`);
  if (!input) return;
  input.checked = true;
  input.dispatchEvent(new Event("change"));
  const next = scales()[scales().indexOf(current) + 1];
  const target = next ? (next.querySelector(":checked") ?? next.querySelector("input")) : byId("next");
  target.focus({ preventScroll: true });
  (target.closest("fieldset") ?? target).scrollIntoView({ block: "nearest" });
}

const KEYS = { n: () => go(1), p: () => go(-1), m: goToMissing, u: undo, z: openZoom, b: takeBreak };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isShown("start")) return;
  let isUsed = true;
  if (byId("zoom").open) isUsed = zoomByKey(event.key);
  else if (byId("break").open) { if (event.key === "b") byId("break").close(); else isUsed = false; }
  else if (/^[0-9]$/.test(event.key) && isShown("rating")) rateByKey(event.key);
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else isUsed = false;
  if (isUsed) event.preventDefault();
});

function begin(code, changed = {}) {
  rater = code;
  record = recall(code);
  if (!isKept) alarm(NOT_KEPT);
  const before = Object.keys(changed).map((key) => [key, record.ratings[key]]);
  const first = [...asked()].find(isMissing);
  place = first ? first[0] : 0;
  past = before.length ? [[place, before]] : [];
  Object.assign(record.ratings, changed);
  if (before.length) {
    save();
    isInFile = Object.keys(record.ratings).every((key) => Object.hasOwn(changed, key));
  }
  lastAct = now();
  if (countMissing() === 0) { finish(); return; }
  place = [...asked()].find(isMissing)[0];
  show("rating");
  draw();
}

function welcome() {
  if (!checkStorage()) { isKept = false; alarm(NOT_KEPT); }
  const num = study.items.length, answers = study.answers.reduce((a, b) => a + b, 0);
  const seen = study.items.filter((item) => item.image).length;
  byId("extent").textContent = `${countOf(num, "question")}, ${seen === num ? "all" : seen || "none"} of them about an image, with ${countOf(answers, "answer")} in all`;
  const known = listRaters();
  byId("known").hidden = known.length === 0;
  byId("raters").replaceChildren(...known.map((code) => {
    const button = make("button", { type: "button", textContent: `Go on as ${code}` });
    button.addEventListener("click", () => begin(code));
    return make("li", {}, button, ` ${countKept(code)} of ${[...asked()].length} ratings`);
  }));
  byId("rater").focus({ preventScroll: true });
}

byId("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(byId("rater").value);
});
byId("resume").addEventListener("change", async () => {
  const [file] = byId("resume").files;
  if (!file) return;
  try {
    const { code, ratings } = readFile(await file.text());
    begin(code, ratings);
  } catch (error) {
    alarm(`${file.name} cannot be gone on from: ${error.message}.`);
    byId("resume").value = "";
  }
});
for (const [id, act] of Object.entries({
  previous: () => go(-1), next: () => go(1), unrated: goToMissing, "first-missing": goToMissing,
  undo, rest: takeBreak, export: handIn, "hand-in": handIn, again: () => go(-1),
})) byId(id).addEventListener("click", act);
byId("go-on").addEventListener("click", () => byId("break").close());
byId("break").addEventListener("close", () => { lastAct = now(); tell(); });
document.addEventListener("visibilitychange", () => { lastAct = document.hidden ? null : now(); });
// The same code in another window: what was rated there is taken over, so that neither writes over it.
addEventListener("storage", (event) => {
  if (!rater || event.key !== storePrefix + rater || event.newValue === null) return;
  record = checkRecord(JSON.parse(event.newValue));
  if (isShown("rating")) draw();
});
welcome();

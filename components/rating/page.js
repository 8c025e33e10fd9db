"use strict";

const study = JSON.parse(document.getElementById("study").textContent);
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const byId = (id) => document.getElementById(id);
let rater = "";
let place = 0;
let ratings = {}; // "item answer scale" to a level, or to 0: cannot judge

const keyOf = (item, answer, scale) => `${item} ${answer} ${scale}`;
const store = () => `rating ${study.key_sha256} ${rater}`;

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// Every rating that is asked for, in the order of the page.
function* asked(only = null) {
  for (let item = 0; item < study.items.length; item++) {
    if (only !== null && item !== only) continue;
    for (let answer = 0; answer < study.items[item].answers.length; answer++)
      for (const scale of study.scales) yield [item, answer, scale.name];
  }
}
const isMissing = (entry) => !(keyOf(...entry) in ratings);
const countMissing = (only = null) => [...asked(only)].filter(isMissing).length;

function save() {
  try {
    localStorage.setItem(store(), JSON.stringify(ratings));
    byId("state").textContent = "saved in this browser";
  } catch {
    byId("state").textContent = "this browser keeps nothing: save to a file before you leave";
  }
}

function load() {
  try {
    ratings = JSON.parse(localStorage.getItem(store()) ?? "{}");
  } catch {
    ratings = {};
  }
}

function drawScale(answer, scale) {
  const key = keyOf(place, answer, scale.name);
  const levels = make("div", { className: "levels" });
  [...scale.levels, "cannot judge"].forEach((words, index) => {
    const value = index < scale.levels.length ? index + 1 : 0;
    const input = make("input", { type: "radio", name: key, value: String(value) });
    input.checked = ratings[key] === value;
    input.addEventListener("change", () => { ratings[key] = value; save(); tell(); });
    const label = make("label", {}, input, make("kbd", { textContent: String(value) }), words);
    if (value === 0) label.className = "unknown";
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
  if (item.image) question.append(make("img", { src: `data:image/jpeg;base64,${item.image}`, alt: "The image that the question is about" }));
  question.append(make("p", { textContent: item.question }));
  byId("item").className = item.image ? "seen" : "";
  byId("item").replaceChildren(question, make("div", {}, ...item.answers.map(drawAnswer)));
  tell();
  scrollTo(0, 0);
  (findScale((scale) => !scale.querySelector(":checked")) ?? findScale(() => true)).focus({ preventScroll: true });
}

const scales = () => [...document.querySelectorAll("fieldset")];
function findScale(wanted) {
  const scale = scales().find(wanted);
  return scale && (scale.querySelector(":checked") ?? scale.querySelector("input"));
}

function tell() {
  const all = [...asked()].length, missing = countMissing();
  byId("place").textContent = `Question ${place + 1} of ${study.items.length}`;
  byId("progress").max = all;
  byId("progress").value = all - missing;
  byId("previous").disabled = place === 0;
  byId("next").disabled = place === study.items.length - 1;
  const here = countMissing(place);
  byId("missing").textContent = missing === 0
    ? "All is rated. Save the ratings to a file, and hand that in."
    : `${missing} ratings are missing` + (here ? `, ${here} of this question.` : ", none of this question.");
}

function go(step) {
  place = Math.min(Math.max(place + step, 0), study.items.length - 1);
  draw();
}

function handIn() {
  const rows = [];
  for (const [index, item] of study.items.entries())
    item.answers.forEach((_, answer) => {
      const row = { item: index + 1, answer: letters[answer] };
      for (const scale of study.scales) {
        const value = ratings[keyOf(index, answer, scale.name)];
        if (value !== undefined) row[scale.name] = value === 0 ? null : value;
      }
      rows.push(row);
    });
  const content = { key_sha256: study.key_sha256, rater, ratings: rows };
  const link = make("a", {
    href: URL.createObjectURL(new Blob([JSON.stringify(content, null, 1) + "\n"], { type: "application/json" })),
    download: `ratings-${rater}.json`,
  });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function rateByKey(digit) {
  const current = document.activeElement.closest("fieldset");
  const input = current?.querySelector(`input[value="${digit}"]`);
  if (!input) return;
  input.checked = true;
  input.dispatchEvent(new Event("change"));
  const next = scales()[scales().indexOf(current) + 1];
  const target = next ? (next.querySelector(":checked") ?? next.querySelector("input")) : byId("next").disabled ? byId("export") : byId("next");
  target.focus();
  target.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (byId("rating").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^[0-9]$/.test(event.key)) rateByKey(event.key);
  else if (event.key === "n") go(1);
  else if (event.key === "p") go(-1);
  else return;
  event.preventDefault();
});

byId("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  rater = byId("rater").value;
  load();
  byId("start").hidden = true;
  byId("rating").hidden = false;
  const first = [...asked()].find(isMissing);
  place = first ? first[0] : 0;
  draw();
});
byId("previous").addEventListener("click", () => go(-1));
byId("next").addEventListener("click", () => go(1));
byId("export").addEventListener("click", handIn);

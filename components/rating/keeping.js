"use strict";

// What a rater has done: kept in this browser after every rating, written to a file and read from one.
// Where the browser keeps nothing, that is said at once, and leaving the page is asked about.
const study = JSON.parse(document.getElementById("study").textContent);
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const byId = (id) => document.getElementById(id);
const storePrefix = `rating ${study.key_sha256} `;
const CODE = /^[A-Za-z0-9_-]{1,20}$/;
let rater = "";
let record = newRecord();
let isKept = true; // all of the record lies in this browser
let isInFile = true; // all of it was written to a file

// ratings: "item answer scale" to a level, or to 0: cannot judge; seconds: spent on so many (timed) of them
function newRecord() {
  return { ratings: {}, seconds: 0, timed: 0 };
}
const keyOf = (item, answer, scale) => `${item} ${answer} ${scale}`;

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
const isMissing = (entry) => !(keyOf(...entry) in record.ratings);
const countMissing = (only = null) => [...asked(only)].filter(isMissing).length;

function alarm(words) {
  byId("alarm").textContent = words;
  byId("alarm").hidden = !words;
}

const NOT_KEPT = "This browser keeps nothing: its storage is full or forbidden, as in some private windows. Save to a file before you close the page, or open it in another window: what is not saved is lost.";

function checkStorage() {
  try {
    const probe = `${storePrefix}?probe`;
    localStorage.setItem(probe, "x".repeat(4096));
    localStorage.removeItem(probe);
    return true;
  } catch {
    return false;
  }
}

function save() {
  isInFile = false;
  try {
    localStorage.setItem(storePrefix + rater, JSON.stringify(record));
    isKept = true;
    alarm("");
    byId("state").textContent = "kept here";
  } catch {
    isKept = false;
    alarm(NOT_KEPT);
    byId("state").textContent = "not kept";
  }
}

// The record of a code; what cannot be read is put aside, not written over.
function recall(code) {
  let text = null;
  try {
    text = localStorage.getItem(storePrefix + code);
    return text === null ? newRecord() : checkRecord(JSON.parse(text));
  } catch {
    if (text === null) return newRecord();
    try {
      localStorage.setItem(`${storePrefix}?damaged ${code}`, text);
    } catch { /* it stays where it is until the next rating */ }
    alarm("What this browser had kept of this code cannot be read. If you saved a file, go on from that.");
    return newRecord();
  }
}

function checkRecord(found) {
  const ratings = {};
  for (const [item, answer, scale] of asked()) {
    const level = found.ratings[keyOf(item, answer, scale)];
    if (level !== undefined && isLevel(level, scale)) ratings[keyOf(item, answer, scale)] = level;
  }
  return { ratings, seconds: Number(found.seconds) || 0, timed: Number(found.timed) || 0 };
}

function isLevel(level, name) {
  const scale = study.scales.find((one) => one.name === name);
  return Number.isInteger(level) && level >= 0 && level <= scale.levels.length;
}

// How many ratings lie here for a code; none where they cannot be read.
function countKept(code) {
  try {
    return Object.keys(checkRecord(JSON.parse(localStorage.getItem(storePrefix + code))).ratings).length;
  } catch {
    return 0;
  }
}

// Codes that have rated in this browser.
function listRaters() {
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(storePrefix));
    return names.map((name) => name.slice(storePrefix.length)).filter((code) => CODE.test(code)).sort();
  } catch {
    return [];
  }
}

const fileName = () => `ratings-${rater}.json`;

function writeFile() {
  const rows = study.items.flatMap((item, index) => item.answers.map((_, answer) => {
    const row = { item: index + 1, answer: letters[answer] };
    for (const scale of study.scales) {
      const level = record.ratings[keyOf(index, answer, scale.name)];
      if (level !== undefined) row[scale.name] = level === 0 ? null : level;
    }
    return row;
  }));
  const text = JSON.stringify({ format: study.format, key_sha256: study.key_sha256, rater, ratings: rows }, null, 1) + "\n";
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: fileName() });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  isInFile = true;
}

// The code and the ratings of a file that this page wrote; an Error says what is wrong with it.
function readFile(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error("it holds no ratings");
  }
  if (found?.key_sha256 !== study.key_sha256) throw new Error("it is not of this study");
  if (!CODE.test(found.rater) || !Array.isArray(found.ratings)) throw new Error("it holds no ratings");
  const ratings = {};
  for (const row of found.ratings)
    for (const scale of study.scales) {
      const level = row[scale.name] === null ? 0 : row[scale.name];
      const answer = letters.indexOf(row.answer);
      if (level !== undefined && study.items[row.item - 1]?.answers[answer] !== undefined && isLevel(level, scale.name))
        ratings[keyOf(row.item - 1, answer, scale.name)] = level;
    }
  return { code: found.rater, ratings };
}

addEventListener("beforeunload", (event) => {
  if (!isKept && !isInFile) event.preventDefault();
});

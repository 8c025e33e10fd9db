// The form on paper: what is not rated yet, made when the page is printed.
function drawForm() {
  const items = study.items.map((item, index) => drawPaperItem(item, index)).filter(Boolean);
  byId("paper").replaceChildren(
    make("h1", { textContent: "Rating of answers" }),
    make("p", { className: "line", textContent: `Rater code: ${rater || "____________________"}` }),
    make("p", { textContent: items.length
      ? `${items.length} of ${study.items.length} questions, in which a rating is missing. Mark one box in each row. Please do not talk about the answers before all have handed in. Research only.`
      : "Nothing is missing: all is rated." }),
    ...items,
    make("p", { className: "help", textContent: `Key of this study: ${study.key_sha256}` }),
  );
  byId("paper").hidden = false;
}

function drawPaperItem(item, index) {
  if (countMissing(index) === 0) return null;
  const section = make("article", {}, make("h2", { textContent: `Question ${index + 1}` }));
  if (item.image) section.append(make("img", { src: `data:image/jpeg;base64,${item.image}`, alt: "" }));
  section.append(make("p", { className: "question", textContent: item.question }));
  item.answers.forEach((text, answer) => {
    const rows = study.scales.filter((scale) => isMissing([index, answer, scale.name]));
    if (!rows.length) return;
    section.append(make("div", { className: "answer" },
      make("h3", { textContent: `Answer ${letters[answer]}` }),
      make("p", { textContent: text || "(no answer)" }),
      ...rows.map(drawPaperScale)));
  });
  return section;
}

function drawPaperScale(scale) {
  const boxes = [...scale.levels.map((words, index) => `${index + 1} ${words}`), "0 cannot judge"];
  return make("div", { className: "row" }, make("span", { textContent: scale.question }),
    ...boxes.map((words) => make("span", { className: "box", textContent: words })));
}

addEventListener("beforeprint", drawForm);
addEventListener("afterprint", () => { byId("paper").hidden = true; byId("paper").replaceChildren(); });
for (const id of ["print", "print-rest"]) byId(id).addEventListener("click", () => print());

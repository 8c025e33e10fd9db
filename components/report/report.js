"use strict";

// Sorting: a click on a column's head orders the rows, a second click turns the order round.
function valueOf(row, column) {
  const cell = row.cells[column];
  const value = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(value);
  return value !== "" && !Number.isNaN(number) ? number : value.toLowerCase();
}

function sortRows(table, head, column) {
  const falling = head.getAttribute("aria-sort") === "ascending";
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((first, second) => {
    const a = valueOf(first, column), b = valueOf(second, column);
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = typeof a === typeof b ? (a > b) - (a < b) : typeof a === "number" ? -1 : 1;
    return falling ? -order : order;
  });
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  body.append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button"), printed = document.createElement("span");
    button.type = "button";
    button.append(...head.childNodes);
    // A head that is repeated on each sheet of paper lacks the text of its buttons.
    printed.className = "printed";
    printed.ariaHidden = "true";
    printed.append(...[...button.childNodes].map((node) => node.cloneNode(true)));
    head.append(printed);
    button.addEventListener("click", () => sortRows(table, head, column));
    head.append(button);
  });
}

// On paper nothing can be opened, so everything is.
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});

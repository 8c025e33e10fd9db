// The sample browser: filters, order and pages over the items that stand in the page.
function browseSamples() {
  const byId = (id) => document.getElementById(id);
  const list = document.querySelector(".samples");
  if (!list) return;
  const perPage = Number(list.dataset.first);
  const drawn = [...list.children];
  let page = 0;

  const chosen = (name) => byId(`by-${name}`)?.value ?? "";
  function countingReplies(item) {
    const size = chosen("size");
    return [...item.querySelectorAll(".reply")].filter((reply) => !size || reply.dataset.size === size);
  }

  function isWanted(item) {
    const dataset = chosen("dataset"), modality = chosen("modality");
    if (dataset && item.dataset.dataset !== dataset) return false;
    if (modality && item.dataset.modality !== modality) return false;
    const outcome = chosen("outcome"), low = chosen("confidence");
    return countingReplies(item).some((reply) =>
      (!outcome || reply.dataset.outcome === outcome) && (!low || "low" in reply.dataset));
  }

  // Data sets are scored by different metrics, so that the lowest score is no verdict over them.
  function inOrder(items) {
    const by = chosen("order");
    if (!by) return items;
    const least = new Map(items.map((item) =>
      [item, Math.min(...countingReplies(item).map((reply) => Number(reply.dataset[by])))]));
    return [...items].sort((first, second) => least.get(first) - least.get(second));
  }

  function show() {
    const wanted = inOrder(drawn.filter(isWanted));
    const pages = Math.max(1, Math.ceil(wanted.length / perPage));
    page = Math.min(page, pages - 1);
    const shown = wanted.slice(page * perPage, (page + 1) * perPage);
    for (const item of drawn) item.hidden = true;
    for (const item of shown) {
      item.hidden = false;
      const counting = countingReplies(item);
      for (const reply of item.querySelectorAll(".reply")) reply.hidden = !counting.includes(reply);
    }
    list.append(...shown);
    const all = wanted.length === drawn.length ? "" : ` of ${drawn.length}`;
    const range = pages > 1 ? `, ${page * perPage + 1} to ${page * perPage + shown.length} shown` : "";
    byId("found").textContent = `${wanted.length}${all} ${drawn.length === 1 ? "item" : "items"}${range}`;
    byId("none-found").hidden = wanted.length > 0;
    byId("page-back").closest(".pager").hidden = pages === 1;
    byId("page-back").disabled = page === 0;
    byId("page-on").disabled = page === pages - 1;
    byId("page-number").textContent = `Page ${page + 1} of ${pages}`;
  }

  function turn(step) {
    page += step;
    show();
    document.querySelector(".filters").scrollIntoView({ block: "start" });
  }

  for (const select of document.querySelectorAll(".filters select"))
    select.addEventListener("change", () => { page = 0; show(); });
  byId("clear-filters").addEventListener("click", () => {
    for (const select of document.querySelectorAll(".filters select")) select.value = "";
    page = 0;
    show();
  });
  byId("page-back").addEventListener("click", () => turn(-1));
  byId("page-on").addEventListener("click", () => turn(1));
  show();
}
browseSamples();

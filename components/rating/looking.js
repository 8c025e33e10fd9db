// The image in a window of its own: from as large as fits to eight times that, moved by arrows or by hand.
const STEPS = [1, 1.5, 2, 3, 4, 6, 8];
const SLIDERS = ["brightness", "contrast"];
let step = 0;

function openZoom() {
  const image = document.querySelector("#item img");
  if (!image) return;
  byId("close-up").src = image.src;
  step = 0;
  for (const name of SLIDERS) byId(name).value = 100;
  shade();
  byId("zoom").showModal();
  byId("close-up").decode().then(scaleImage, scaleImage);
  byId("view").focus();
}

function scaleImage() {
  const view = byId("view"), image = byId("close-up");
  const centre = [(view.scrollLeft + view.clientWidth / 2) / view.scrollWidth, (view.scrollTop + view.clientHeight / 2) / view.scrollHeight];
  const fit = Math.min(view.clientWidth / image.naturalWidth, view.clientHeight / image.naturalHeight);
  image.style.width = `${Math.floor(image.naturalWidth * fit * STEPS[step])}px`;
  view.scrollTo(centre[0] * view.scrollWidth - view.clientWidth / 2, centre[1] * view.scrollHeight - view.clientHeight / 2);
  byId("scale").textContent = step ? `${STEPS[step]} times` : "whole";
  byId("smaller").disabled = step === 0;
  byId("larger").disabled = step === STEPS.length - 1;
}

// The image is 8 bits deep: what the data set's own file lost in the dark does not come back.
function shade() {
  byId("close-up").style.filter = SLIDERS.map((name) => `${name}(${byId(name).value}%)`).join(" ");
}

function zoom(by) {
  step = Math.min(Math.max(step + by, 0), STEPS.length - 1);
  scaleImage();
}

function zoomByKey(key) {
  if (key === "+" || key === "=") zoom(1);
  else if (key === "-") zoom(-1);
  else if (key === "z") byId("zoom").close();
  else return false;
  return true;
}

byId("smaller").addEventListener("click", () => zoom(-1));
byId("larger").addEventListener("click", () => zoom(1));
byId("close").addEventListener("click", () => byId("zoom").close());
for (const name of SLIDERS) byId(name).addEventListener("input", shade);
byId("look").addEventListener("click", openZoom);
byId("view").addEventListener("dblclick", () => zoom(step === STEPS.length - 1 ? -step : 1));
byId("view").addEventListener("pointermove", (event) => {
  if (event.pointerType === "mouse" && event.buttons === 1) byId("view").scrollBy(-event.movementX, -event.movementY);
});
addEventListener("resize", () => { if (byId("zoom").open) scaleImage(); });

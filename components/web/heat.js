// The heat map: a grid of attention over the image, only where it was read more than on average.

const canvas = document.getElementById("heat");
const image = document.getElementById("image");
const strength = document.getElementById("strength");
const FULL = 3; // at least so many times the average for the brightest colour: even is not hot
const STOPS = [[0, 34, 34, 34], [0.35, 163, 77, 0], [0.7, 255, 138, 0], [1, 255, 224, 138]];
let cells = null;

function colour(level) {
  let i = 1;
  while (i < STOPS.length - 1 && level > STOPS[i][0]) i++;
  const [from, ...low] = STOPS[i - 1], [to, ...high] = STOPS[i];
  const part = (level - from) / (to - from);
  return low.map((value, k) => Math.round(value + (high[k] - value) * part));
}

const mostOf = (grid) => Math.max(...grid.flat()) * grid.length * grid[0].length;

function paint() {
  if (!cells) return;
  const rows = cells.length, columns = cells[0].length;
  const top = Math.max(mostOf(cells), FULL);
  const small = document.createElement("canvas");
  [small.width, small.height] = [columns, rows];
  const pixels = new ImageData(columns, rows);
  cells.flat().forEach((share, i) => {
    const level = Math.min(Math.max((share * rows * columns - 1) / (top - 1), 0), 1);
    pixels.data.set([...colour(level), Math.round(255 * Math.sqrt(level) * strength.value / 100)], 4 * i);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const box = image.getBoundingClientRect(), frame = image.parentElement.getBoundingClientRect();
  Object.assign(canvas.style, {
    left: `${box.left - frame.left - 1}px`, top: `${box.top - frame.top - 1}px`,
    width: `${box.width}px`, height: `${box.height}px`,
  });
  [canvas.width, canvas.height] = [Math.round(box.width) || 1, Math.round(box.height) || 1];
  const brush = canvas.getContext("2d");
  brush.imageSmoothingEnabled = true;
  brush.imageSmoothingQuality = "high";
  brush.drawImage(small, 0, 0, canvas.width, canvas.height);
}

export function showHeat(grid) {
  cells = grid;
  const top = Math.max(mostOf(grid), FULL);
  document.getElementById("legend-most").textContent = `${top < 10 ? +top.toFixed(1) : Math.round(top)} times as much`;
  document.getElementById("legend").hidden = false;
  canvas.hidden = false;
  paint();
}

export function hideHeat() {
  cells = null;
  canvas.hidden = true;
  document.getElementById("legend").hidden = true;
}

strength.addEventListener("input", paint);
image.addEventListener("load", paint);
new ResizeObserver(paint).observe(image);

// Many straight lines at once, put into pixels one by one: where no graphics card helps, that is ten times faster
// than a canvas's own strokes, and a replay draws a thousand lines at every frame.

const DASH = 4, GAP = 3; // in units of the drawing

export class Lines {
  // A picture of the canvas's own pixels on an opaque ground; `scale` is pixels a unit. Colours are [r, g, b].
  constructor(canvas, scale, ground) {
    const { width, height } = canvas, pen = canvas.getContext("2d");
    const image = pen.createImageData(width, height), all = new Uint32Array(image.data.buffer);
    all.fill((0xff000000 | (ground[2] << 16) | (ground[1] << 8) | ground[0]) >>> 0);
    Object.assign(this, { pen, image, scale, width, height });
  }

  // Pixel column by pixel column, or row by row where it is steep; a pixel takes of the colour as much as it is covered.
  draw(from, to, width, colour, dashed) {
    const { scale } = this, steep = Math.abs(to[1] - from[1]) > Math.abs(to[0] - from[0]);
    let [a, b] = [from, to].map(([x, y]) => (steep ? [y * scale, x * scale] : [x * scale, y * scale]));
    if (a[0] > b[0]) [a, b] = [b, a];
    const slope = (b[1] - a[1]) / (b[0] - a[0] || 1), stretch = Math.hypot(1, slope), half = 0.5 * width * scale * stretch;
    const long = steep ? this.height : this.width, wide = steep ? this.width : this.height;
    const [along, across] = steep ? [4 * this.width, 4] : [4, 4 * this.width], { data } = this.image;
    for (let i = Math.max(0, Math.ceil(a[0])); i <= b[0] && i < long; i++) {
      if (dashed && (((i - a[0]) * stretch) / scale) % (DASH + GAP) > DASH) continue;
      const middle = a[1] + slope * (i - a[0]), top = middle - half, bottom = middle + half;
      for (let j = Math.max(0, Math.floor(top)); j < bottom && j < wide; j++) {
        const cover = Math.min(j + 1, bottom) - Math.max(j, top), at = i * along + j * across;
        for (let c = 0; c < 3; c++) data[at + c] += cover * (colour[c] - data[at + c]);
      }
    }
  }

  show() {
    this.pen.putImageData(this.image, 0, 0);
  }
}

// Makes a screenshot small: 256 colours do for a page, and the browser's own compression is made to be quick.
import { crc32, deflateSync, inflateSync } from 'node:zlib'

const ALIKE = 12 ** 2

/** @param png 8-bit RGB or RGBA, not interlaced, as browsers make them */
export function small(png) {
  const chunks = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) chunks.push([png.toString('latin1', at + 4, at + 8), png.subarray(at + 8, at + 8 + png.readUInt32BE(at))])
  const header = chunks.find(([type]) => type === 'IHDR')[1]
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)]
  const bpp = { 2: 3, 6: 4 }[header[9]]
  const data = inflateSync(Buffer.concat(chunks.filter(([type]) => type === 'IDAT').map(([, body]) => body)))
  const line = width * bpp
  const pixels = Buffer.alloc(line * height)
  for (let y = 0; y < height; y++) {
    const filter = data[y * (line + 1)]
    for (let x = 0; x < line; x++) {
      const a = x >= bpp ? pixels[y * line + x - bpp] : 0
      const b = y ? pixels[(y - 1) * line + x] : 0
      const c = x >= bpp && y ? pixels[(y - 1) * line + x - bpp] : 0
      const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)]
      const guess = [0, a, b, (a + b) >> 1, pa <= pb && pa <= pc ? a : pb <= pc ? b : c][filter]
      pixels[y * line + x] = data[y * (line + 1) + 1 + x] + guess
    }
  }
  // The most frequent colours stay as they are, and so does what is like none of them, such as a dot; the rest, the edges of letters,
  // become the nearest.
  const counts = new Map()
  const colour = (i) => (pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2]
  for (let i = 0; i < pixels.length; i += bpp) counts.set(colour(i), (counts.get(colour(i)) ?? 0) + 1)
  const distance = (c, d) => ((c >> 16) - (d >> 16)) ** 2 + (((c >> 8) & 255) - ((d >> 8) & 255)) ** 2 + ((c & 255) - (d & 255)) ** 2
  const palette = []
  for (const [c] of [...counts].sort((a, b) => b[1] - a[1])) if (palette.length < 256 && (palette.length < 24 || palette.every((d) => distance(c, d) > ALIKE))) palette.push(c)
  const nearest = new Map()
  for (const c of counts.keys()) nearest.set(c, palette.reduce((best, d, i) => (distance(c, d) < distance(c, palette[best]) ? i : best), 0))
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = nearest.get(colour(y * line + x * bpp))
  const chunk = (type, body) => {
    const whole = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), body, Buffer.alloc(4)])
    whole.writeUInt32BE(body.length, 0)
    whole.writeUInt32BE(crc32(whole.subarray(4, -4)), whole.length - 4)
    return whole
  }
  const newHeader = Buffer.from(header)
  newHeader[9] = 3
  return Buffer.concat([
    png.subarray(0, 8),
    chunk('IHDR', newHeader),
    chunk('PLTE', Buffer.from(palette.flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255]))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

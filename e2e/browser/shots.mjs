// Takes the screenshots of docs/: npm run shots.
import { mkdirSync, writeFileSync } from 'node:fs'
import { choose, launch, newBrowser, open, sees } from './browser.mjs'
import { small } from './png.mjs'
import { build, cleanUp, startServer } from './server.mjs'

const out = new URL('../../docs/images/', import.meta.url).pathname
mkdirSync(out, { recursive: true })
build()
const browser = await launch('--hide-scrollbars')
try {
  const { url } = await startServer()
  const others = await newBrowser(browser)
  const ben = await open(others, url, 'ben')
  await choose(ben, 'Busy')
  await ben.getByRole('button', { name: 'Focus time' }).click()
  await ben.getByLabel('What you do').selectOption('Viewing the roadmap')
  const cat = await open(await newBrowser(browser), url, 'cat')
  const dan = await open(await newBrowser(browser), url, 'dan')
  for (const [name, options] of Object.entries({
    'demo-light': { colorScheme: 'light' },
    'demo-dark': { colorScheme: 'dark' },
    'demo-narrow': { colorScheme: 'light', viewport: { width: 390, height: 900 } },
  })) {
    const mine = await newBrowser(browser, { viewport: { width: 1360, height: 850 }, ...options })
    const page = await open(mine, url, 'ada')
    if (name === 'demo-light') {
      await page.getByRole('button', { name: 'Coffee' }).click()
      await sees(page, 'dan')
      await dan.close()
      await sees(page, 'dan', { list: 'gone', text: 'Last seen' })
    }
    await page.locator('#explain-card summary').click()
    await page.locator('#explain table').waitFor()
    await cat.locator('#pad').fill('')
    await cat.locator('#pad').pressSequentially('Hello', { delay: 30 })
    await page.getByText('Cat is typing…').waitFor()
    const png = small(await page.screenshot({ fullPage: name === 'demo-narrow' }))
    writeFileSync(`${out}${name}.png`, png)
    console.log(name, png.length, 'bytes', ...mine.wrong())
    await mine.close()
  }
} finally {
  await browser.close()
  await cleanUp()
}

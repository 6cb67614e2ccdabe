const reference = document.getElementById('reference')

// The page follows the system's colours, also when they change at dusk.
const dark = matchMedia('(prefers-color-scheme: dark)')
const paint = () => reference.setAttribute('theme', dark.matches ? 'dark' : 'light')
dark.addEventListener('change', paint)
paint()

// RapiDoc 9.3.8 shows a field's description where its table is wide enough, and
// asks for that in a container query, which an inline element never answers.
const block = new CSSStyleSheet()
block.replaceSync(':host { display: block }')
for (const name of ['schema-table', 'schema-tree']) {
  customElements.whenDefined(name).then((element) => element.elementStyles.push(block))
}

// In development this server gives a token, to this machine alone; elsewhere there is none (404), and one is asked for.
const token = fetch('token.json').then((answer) => (answer.ok ? answer.json() : {}), () => ({}))
reference.addEventListener('spec-loaded', async () => {
  const { token: mine } = await token
  if (!mine) return
  const filled = reference.setApiKey('bearer', mine)
  if (filled) document.getElementById('token').textContent = 'A token for development is filled in: you are ada.'
})

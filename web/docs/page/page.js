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

// The "type" of a problem document leads here, as /docs#problem-rate_limited.
const route = () => {
  if (location.hash.startsWith('#problem-')) reference.scrollToPath('overview--problems')
}
reference.addEventListener('spec-loaded', () => setTimeout(route))
addEventListener('hashchange', route)

// Runs before the first paint, so that the page does not flash in the other theme.
;(function () {
  var chosen = null
  try {
    chosen = localStorage.getItem('hinomi-theme')
  } catch (e) {
    // Storage may be forbidden: the system's theme it is.
  }
  var dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light')
})()

/** Style of the dashboard. Colours follow the system's light or dark scheme. */
export const DASHBOARD_STYLE = `
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --page: #f6f8fa; --card: #fff; --good: #116329; --bad: #a40e26 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --soft: #9198a1; --line: #30363d; --page: #0d1117; --card: #161b22; --good: #4ac26b; --bad: #ff7b72 }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 84rem; padding: 1rem 1.5rem 3rem; background: var(--page); color: var(--text); font: 15px/1.45 system-ui, sans-serif }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem; border-bottom: 1px solid var(--line) }
h1 { font-size: 1.4rem; margin: .5rem 0 }
h2 { font-size: 1rem; margin: 1.8rem 0 .6rem }
p { margin: .3rem 0; color: var(--soft) }
#state { font-weight: 600 }
.good { color: var(--good) }
.bad { color: var(--bad) }
.stale { opacity: .45 }
#warnings { margin: 1rem 0 0; padding-left: 1.2rem; color: var(--bad) }
#warnings:empty { display: none }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); gap: .6rem; margin: 0 }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem }
dt { color: var(--soft); font-size: .85rem }
dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
table { border-collapse: collapse; background: var(--card) }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; white-space: nowrap; font-variant-numeric: tabular-nums }
th { color: var(--soft); font-weight: 600; font-size: .85rem }
th.n, td.n { text-align: right }
td.path { max-width: 32rem; overflow: hidden; text-overflow: ellipsis }
.scroll { overflow-x: auto }
form { margin: 2rem 0 }
input, button { font: inherit; padding: .3rem .6rem }
`

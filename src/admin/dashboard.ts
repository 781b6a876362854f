import { hash } from 'node:crypto'
import { DASHBOARD_SCRIPT } from './dashboard-script.ts'
import { DASHBOARD_STYLE } from './dashboard-style.ts'

const BODY = `
<header>
  <h1>Waybill</h1>
  <p id="state" role="status">Connecting …</p>
  <p id="about"></p>
  <p id="age" class="bad"></p>
</header>
<form id="token-form" hidden>
  <label for="token">Admin token</label>
  <input id="token" type="password" autocomplete="off" required>
  <button>Continue</button>
  <p id="token-hint"></p>
</form>
<main id="main" hidden>
  <ul id="warnings"></ul>
  <section aria-labelledby="now"><h2 id="now">Now</h2><dl id="numbers"></dl></section>
  <section aria-labelledby="accounts-title">
    <h2 id="accounts-title">Every entry is accounted for</h2>
    <p id="accounts-hint"></p>
    <dl id="accounts"></dl>
  </section>
  <section aria-labelledby="outcomes-title">
    <h2 id="outcomes-title">Requests by outcome</h2>
    <table>
      <thead><tr><th scope="col">Outcome</th><th scope="col" class="n">per second</th><th scope="col" class="n">since start</th></tr></thead>
      <tbody id="outcomes"></tbody>
    </table>
  </section>
  <section aria-labelledby="entries-title">
    <h2 id="entries-title">Latest access entries</h2>
    <p id="entries-hint"></p>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="entries-title">
      <table>
        <thead><tr>
          <th scope="col">Time</th><th scope="col">Tenant</th><th scope="col">Route</th><th scope="col">Method</th>
          <th scope="col">Path</th><th scope="col" class="n">Status</th><th scope="col">Outcome</th>
          <th scope="col" class="n">Duration</th><th scope="col" class="n">Sent</th>
        </tr></thead>
        <tbody id="entries"></tbody>
      </table>
    </div>
  </section>
</main>
<noscript>This page needs JavaScript; the numbers are at /metrics and /api/overview as well.</noscript>
`

/**
 * The dashboard: one page that holds no data and loads nothing but /api/…. Its policy permits exactly this script and
 * this style, by digest (CSP level 3 §2.3.1), so that text from an access entry could not run even if it became markup.
 */
export function renderDashboard(): { body: string; headers: Record<string, string> } {
  const policy = [
    "default-src 'none'",
    `script-src '${digestOf(DASHBOARD_SCRIPT)}'`,
    `style-src '${digestOf(DASHBOARD_STYLE)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Waybill</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>${DASHBOARD_STYLE}</style>
</head>
<body>${BODY}<script>${DASHBOARD_SCRIPT}</script>
</body>
</html>
`
  return { body, headers: { 'content-security-policy': policy.join('; ') } }
}

function digestOf(text: string): string {
  return `sha256-${hash('sha256', text, 'base64')}`
}

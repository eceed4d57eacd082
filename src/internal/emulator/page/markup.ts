/** The page itself. What it shows it gets from `script.ts`, and what it looks like from `style.ts`. */

/** `token` is what a request that changes something has to bring along: another site's page cannot read it. */
export const html = (token: string): string =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="panda-token" content="${token}">
<title>A Panda of your own</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page/style.css">
<script src="/page/script.js" defer></script>
</head>
<body>
<a class="skip" href="#main">To what goes on</a>
<header>
<h1><img src="/page/icon.svg" alt="" width="32" height="32"> A Panda of your own</h1>
<p id="about"></p>
<p id="live" role="status">Connecting …</p>
<p id="trouble" role="alert" hidden></p>
<nav aria-label="Sections"><a href="#uploads">Uploads</a> <a href="#videos">Videos</a> <a href="#requests">Requests</a> <a href="#webhooks">Webhooks</a> <a href="#faults">Faults</a></nav>
</header>
<main id="main" tabindex="-1">
<section id="uploads" aria-labelledby="h-uploads"><h2 id="h-uploads">Uploads</h2><ul class="cards" id="list-uploads"></ul><p class="none">No upload has come yet.</p></section>
<section id="videos" aria-labelledby="h-videos"><h2 id="h-videos">Videos</h2><ul class="cards wide" id="list-videos"></ul><p class="none">No video yet. Upload one: <code>effect-panda upload movie.mp4 --profiles h264</code></p></section>
<section id="requests" aria-labelledby="h-requests"><h2 id="h-requests">Requests</h2>
<p><label><input type="checkbox" id="only-refused"> only those that were refused</label></p>
<ul id="list-requests"></ul><p class="none">Nothing was asked yet.</p></section>
<section id="webhooks" aria-labelledby="h-webhooks"><h2 id="h-webhooks">Webhooks</h2><ul id="list-webhooks"></ul><p class="none">Nothing was told yet. Where to, and what, the notification settings say.</p></section>
<section id="faults" aria-labelledby="h-faults"><h2 id="h-faults">Faults</h2>
<form id="arm">
<label>Fault <select name="fault" id="fault"></select></label>
<label id="number-label" hidden><span></span> <input name="number" type="number" step="any" min="0"></label>
<label>on <select name="route" id="route"></select></label>
<label>times <input name="times" type="number" min="1" max="1000000" value="1" required></label>
<label>after <input name="skip" type="number" min="0" max="1000000" value="0" required> others</label>
<button>Arm</button> <button type="button" id="disarm">Disarm all</button>
</form>
<p id="armed" role="status"></p>
<ul id="list-faults"></ul><p class="none">Nothing goes wrong on purpose.</p></section>
</main>
<footer><p>Shown on this machine only, and without a password. It has no keys, signatures or upload locations in it.</p></footer>
<noscript>This page needs JavaScript to show what goes on.</noscript>
</body>
</html>
`

export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="7" cy="8" r="5"/>` +
  `<circle cx="25" cy="8" r="5"/><circle cx="16" cy="18" r="12" fill="#fff" stroke="#000" stroke-width="1.5"/>` +
  `<ellipse cx="11" cy="16" rx="3" ry="4"/><ellipse cx="21" cy="16" rx="3" ry="4"/>` +
  `<path d="M14 22q2 2 4 0" fill="none" stroke="#000" stroke-width="1.5"/></svg>`

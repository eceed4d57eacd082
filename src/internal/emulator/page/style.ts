/** How the page looks, light and dark, on a phone and on a desk. */
export const css = `
:root {
  color-scheme: light dark;
  --back: #f7f7f5; --card: #fff; --text: #1c1d1f; --soft: #5c6066; --line: #d9dadd;
  --good: #14693a; --bad: #b3201c; --busy: #0b57a4; --mark: #ffd9d4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #16181b; --card: #202327; --text: #ecedee; --soft: #a6abb2; --line: #3a3e44;
    --good: #6fcf97; --bad: #ff8f87; --busy: #7db8ff; --mark: #6b231e;
  }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: 0; display: flex; gap: .6rem; align-items: center }
h1 img { background: #fff; border-radius: 50%; padding: 2px }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem }
h3 { font-size: 1rem; margin: 0 }
p { margin: .4rem 0 }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: .6rem 0; border-bottom: 1px solid var(--line) }
a { color: var(--busy) }
nav a { padding: .2rem 0 }
.skip { position: absolute; left: -99rem } .skip:focus { left: 1rem }
:focus-visible { outline: 3px solid var(--busy); outline-offset: 2px }
ul { list-style: none; margin: 0; padding: 0 }
.none { color: var(--soft) }
ul:not(:empty) + .none { display: none }
.cards { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)) }
.cards.wide { grid-template-columns: minmax(0, 1fr) }
.cards > li, #list-requests > li, #list-webhooks > li, #list-faults > li {
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .8rem }
#list-requests > li, #list-webhooks > li, #list-faults > li { margin-bottom: .35rem; padding: .4rem .8rem }
.soft { color: var(--soft); font-size: .9rem }
.good { color: var(--good) } .bad { color: var(--bad) } .busy { color: var(--busy) }
progress { width: 100%; height: .8rem; accent-color: var(--busy); vertical-align: middle }
.video { display: grid; gap: 1rem; grid-template-columns: minmax(0, 14rem) minmax(0, 1fr) }
.video > img, .video > .blank { width: 100%; aspect-ratio: 16 / 9; object-fit: contain; background: #000; border-radius: .3rem }
.encodings { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); margin-top: .6rem }
.encodings > li { border-top: 1px solid var(--line); padding-top: .5rem }
video, audio { width: 100%; display: block; margin-top: .4rem; border-radius: .3rem }
video { max-height: 15rem; background: #000 }
.pictures { display: flex; gap: .25rem; margin-top: .4rem; overflow-x: auto }
.pictures img { height: 2.6rem; border-radius: .2rem }
summary { cursor: pointer; display: flex; flex-wrap: wrap; gap: 0 .8rem }
summary b { min-width: 2.5rem }
summary .path { flex: 1 1 14rem }
pre, code { font: .85rem/1.5 ui-monospace, monospace }
pre { white-space: pre-wrap; background: var(--back); border: 1px solid var(--line); border-radius: .3rem; padding: .5rem; margin: .2rem 0 .6rem }
mark { background: var(--mark); color: inherit; text-decoration: underline wavy var(--bad); padding: 0 .1em }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .1rem .8rem; margin: .4rem 0; font-size: .9rem }
dt { color: var(--soft) } dd { margin: 0 }
.strings { display: grid; gap: 0 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
form { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; margin-bottom: .6rem }
input, select, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--soft); border-radius: .3rem; padding: .3rem .5rem; max-width: 100% }
input[type=number] { width: 7rem }
form label { min-width: 0; max-width: 100% }
button { cursor: pointer }
#trouble { background: var(--mark); padding: .5rem .8rem; border-radius: .3rem }
footer { margin-top: 2rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem }
@media (max-width: 40rem) { .video { grid-template-columns: minmax(0, 1fr) } .video > .blank { display: none } }
`

/** The look of the element, whose colours and lengths a page can set as variables. */
export const css = `
:host {
  --_accent: var(--panda-accent, light-dark(#0b57d0, #a8c7fa));
  --_text: var(--panda-text, light-dark(#1f1f1f, #e3e3e3));
  --_quiet: var(--panda-quiet, light-dark(#50555c, #b4b9c1));
  --_ground: var(--panda-ground, light-dark(#ffffff, #1b1b1d));
  --_line: var(--panda-line, light-dark(#747a82, #8e949c));
  --_good: var(--panda-good, light-dark(#146c2e, #7fd494));
  --_bad: var(--panda-bad, light-dark(#b3261e, #f6b1ab));
  --_radius: var(--panda-radius, 0.5rem);
  --_gap: var(--panda-gap, 0.75rem);
  display: block;
  color: var(--_text);
  font: var(--panda-font, 1rem/1.45 system-ui, sans-serif);
}
:host([hidden]), [hidden] { display: none !important }
* { box-sizing: border-box }
.drop {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: var(--_gap);
  padding: calc(2 * var(--_gap));
  border: 2px dashed var(--_line);
  border-radius: var(--_radius);
  background: var(--_ground);
}
:host(:state(over)) .drop { border-style: solid; border-color: var(--_accent) }
.label { inline-size: 100%; font-weight: 600 }
.hint { color: var(--_quiet) }
button {
  font: inherit;
  min-block-size: 2.75rem;
  min-inline-size: 2.75rem;
  padding: 0.25rem 0.9rem;
  color: var(--_accent);
  background: transparent;
  border: 1px solid currentColor;
  border-radius: var(--_radius);
  cursor: pointer;
}
button.choose { color: var(--_ground); background: var(--_accent); border-color: transparent; font-weight: 600 }
button:focus-visible, li:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px }
button:disabled { opacity: 0.6; cursor: not-allowed }
svg { display: block; inline-size: 1.1em; block-size: 1.1em; margin: auto; fill: currentColor }
ul { list-style: none; margin: 0; padding: 0 }
li {
  display: grid;
  grid-template-columns: 1fr auto;
  gap: 0.25rem var(--_gap);
  align-items: center;
  margin-block-start: var(--_gap);
  padding: var(--_gap);
  border: 1px solid var(--_line);
  border-radius: var(--_radius);
  background: var(--_ground);
}
.name { overflow-wrap: anywhere; font-weight: 600; unicode-bidi: isolate }
.actions { display: flex; gap: 0.5rem; grid-row: span 2 }
.status { color: var(--_quiet); font-size: 0.9em; overflow-wrap: anywhere }
li[data-state="done"] .status { color: var(--_good) }
li[data-state="failed"] .status { color: var(--_bad) }
progress {
  appearance: none;
  grid-column: 1 / -1;
  inline-size: 100%;
  block-size: 0.5rem;
  border: 0;
  border-radius: 1rem;
  overflow: hidden;
  background: color-mix(in srgb, var(--_line) 35%, transparent);
}
progress::-webkit-progress-bar { background: transparent }
progress::-webkit-progress-value { background: var(--_accent) }
progress::-moz-progress-bar { background: var(--_accent) }
.said {
  position: absolute;
  inline-size: 1px;
  block-size: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}
@media (forced-colors: active) {
  progress { border: 1px solid CanvasText }
  progress::-webkit-progress-value { background: Highlight }
  progress::-moz-progress-bar { background: Highlight }
}
`

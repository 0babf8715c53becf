"""How the page looks, and the few lines of it that run in the browser."""

from backward_search.drawing.style import MEETS

STYLE = f"""
.grid {{ display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); }}
.small .grid, #found:has(.others) .grid {{ grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); }}
.hits h3 {{ margin: 0 0 6px; font-size: 1rem; font-weight: 600; }}
.gradio-style .hit {{ position: relative; display: flex; flex-direction: column; min-width: 0; padding: 0;
  cursor: pointer; color: var(--body-text-color); background: none; font-weight: 400; font-size: 0.8rem;
  line-height: 1.35; text-align: left; overflow-wrap: anywhere; }}
.hit img {{ box-sizing: border-box; width: 100%; aspect-ratio: 1; object-fit: contain; margin-bottom: 4px;
  border: 1px solid var(--border-color-primary); border-radius: 4px; background: #f4f4f5; }}
.hit.meets img {{ border: 5px solid {MEETS}; }}
.hit.meets::after {{ content: "✓"; position: absolute; top: 0; right: 0; padding: 0 6px; color: white;
  font-weight: 700; font-size: 1rem; background: {MEETS}; border-radius: 0 4px 0 4px; }}
.hit:hover img, .hit:focus-visible img {{ box-shadow: 0 0 0 3px var(--color-accent); }}
.hit i {{ opacity: 0.7; font-style: normal; }}
.hit span {{ display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 3; }}
.others {{ display: grid; gap: 20px; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); }}
#found:has(.others) {{ display: grid; gap: 20px; grid-template-columns: 1fr 2fr; }}
#found:has(.others > :nth-child(3)) {{ grid-template-columns: 1fr 3fr; }}
#found:has(.others > :nth-child(4)) {{ grid-template-columns: 1fr 4fr; }}
#head .html-container, #hits .html-container, #others .html-container, #query .html-container {{ padding: 0; }}
.query {{ display: flex; gap: 12px; margin: 0; }}
.query img {{ width: 120px; height: 120px; object-fit: contain; background: #f4f4f5; border-radius: 4px; }}
.query figcaption {{ display: flex; flex-direction: column; gap: 4px; min-width: 0; overflow-wrap: anywhere; }}
#upload .wrap {{ padding-top: 14px; font-size: 0.9rem; line-height: 1.3; }}
#upload .icon-wrap {{ display: none; }}
#method {{ --block-info-text-color: var(--body-text-color); }}
#run input {{ text-overflow: ellipsis; padding-right: 28px; }}
#pick {{ align-items: end; }}
#conditions .row:not(:has(.block)) {{ display: none; }}
#pick button {{ white-space: nowrap; }}
#conditions [id^="not-"] {{ flex: 0 0 66px; padding-left: 0; }}
#conditions .wrap-inner:not(:has(.token)) .secondary-wrap:not(:focus-within)::before {{ content: "any";
  position: absolute; left: 12px; opacity: 0.7; }}
@media (max-width: 640px) {{
  .grid {{ grid-template-columns: repeat(2, minmax(0, 1fr)); }}
  .small .grid, #found:has(.others) .grid {{ grid-template-columns: repeat(3, minmax(0, 1fr)); }}
  #found:has(.others), .others {{ display: block !important; }}
  .others section {{ margin-top: 16px; }}
}}
"""

CLICKED = """
element.addEventListener('click', (event) => {
  const image = event.target.closest('[data-row]');
  if (image) trigger('select', {row: Number(image.dataset.row)});
});
"""
"""A click on an image says which one it was."""

ADDRESSED = """(link) => {
  history.replaceState(null, '', link);
  document.dispatchEvent(new Event('addressed'));
  return location.href;
}"""
"""The browser's address follows the state, and the link is a whole one."""

DRAGGED = """() => {
  let wanted = null, held = null, answered = null, busy = false;
  const apart = (link) => { const rest = new URLSearchParams(link); rest.delete('strength'); return rest.toString(); };
  const update = async () => {
    if (busy || wanted === null) return;
    const asked = new URLSearchParams(location.search);
    asked.set('strength', wanted);
    [busy, wanted] = [true, null];
    const answer = await fetch(`hits?${asked}`).catch(() => null);
    const parts = answer && answer.ok ? await answer.json() : {};
    answered = apart(asked);
    if (answered == apart(location.search))
      for (const [name, html] of Object.entries(parts)) document.querySelector(`#${name} .prose`).innerHTML = html;
    else wanted ??= held;
    busy = false;
    update();
  };
  document.addEventListener('input', (event) => {
    if (event.target.closest('#strength')) { wanted = held = event.target.value; update(); }
  });
  document.addEventListener('change', (event) => { if (event.target.closest('#strength')) held = null; });
  document.addEventListener('addressed', () => {
    if (held !== null && answered != apart(location.search)) { wanted ??= held; update(); }
  });
}"""
"""While the slider moves, the hits come straight from the server, one answer at a time, the last position always.

Where the address follows what was chosen before only after the drag has begun, they are asked for again. Gradio's own
way of events and components takes some 50 ms more. It follows, so that the state stays the page's.
"""

LATER = """async (state, value) => {
  await new Promise((done) => setTimeout(done, 300));
  const slider = document.querySelector('#strength input[type=range]');
  return [state, slider ? Number(slider.value) : value];
}"""
"""The slider's value for Gradio: in a while, so that its requests do not hold a drag's up, and as it then is."""

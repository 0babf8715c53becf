"""How the page looks, and the few lines of it that run in the browser."""

from backward_search.drawing.style import MEETS

STYLE = f"""
.grid {{ display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(136px, 1fr)); }}
.small .grid {{ grid-template-columns: repeat(auto-fill, minmax(124px, 1fr)); }}
#found:has(.others) .grid {{ grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); }}
#gallery .row button {{ padding-left: 4px; padding-right: 4px; font-size: 0.9rem; }}
.hits h3 {{ margin: 0 0 6px; font-size: 1rem; font-weight: 600; }}
.gradio-style .hit {{ position: relative; display: flex; flex-direction: column; min-width: 0; padding: 0;
  cursor: pointer; color: var(--body-text-color); background: none; font-weight: 400; font-size: 0.8rem;
  line-height: 1.35; text-align: left; overflow-wrap: anywhere; }}
.hit img {{ box-sizing: border-box; width: 100%; aspect-ratio: 1; object-fit: contain; margin-bottom: 4px;
  border: 1px solid var(--border-color-primary); border-radius: 4px; background: var(--background-fill-secondary); }}
.hit.meets img {{ border: 5px solid {MEETS}; }}
.hit.meets::after {{ content: "✓"; position: absolute; top: 0; right: 0; padding: 0 6px; color: white;
  font-weight: 700; font-size: 1rem; background: {MEETS}; border-radius: 0 4px 0 4px; }}
.hit:hover img, .hit:focus-visible img {{ box-shadow: 0 0 0 3px var(--color-accent); }}
.hit i {{ opacity: 0.7; font-style: normal; }}
.hit span {{ display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 3; }}
.others {{ display: grid; gap: 20px; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); }}
#found:has(.others) {{ display: grid; gap: 20px; grid-template-columns: 1fr 1fr; }}
#found:has(.others > :nth-child(2)) {{ grid-template-columns: 1fr 2fr; }}
#found:has(.others > :nth-child(3)) {{ grid-template-columns: 1fr 3fr; }}
#found:has(.others > :nth-child(4)) {{ grid-template-columns: 1fr 4fr; }}
#head .html-container, #hits .html-container, #others .html-container, #query .html-container {{ padding: 0; }}
.query {{ display: flex; gap: 12px; margin: 0; }}
.query img {{ width: 120px; height: 120px; object-fit: contain; background: var(--background-fill-secondary);
  border-radius: 4px; }}
.query img {{ border: 1px solid var(--border-color-primary); box-sizing: border-box; }}
.query figcaption {{ display: flex; flex-direction: column; gap: 4px; min-width: 0; overflow-wrap: anywhere; }}
#upload .wrap {{ padding-top: 14px; font-size: 0.9rem; line-height: 1.3; }}
#upload .icon-wrap {{ display: none; }}
#method {{ --block-info-text-color: var(--body-text-color); }}
#run input {{ text-overflow: ellipsis; padding-right: 28px; }}
#pick {{ align-items: end; }}
#conditions .row:not(:has(.block)) {{ display: none; }}
#conditions {{ gap: 8px; }}
#conditions .remove-all {{ display: none; }}
#conditions .secondary-wrap {{ flex: 1 1 40px; min-width: 40px; }}
#pick button {{ white-space: nowrap; }}
#conditions [id^="not-"] {{ flex: 0 0 66px; padding-left: 0; }}
#conditions .wrap-inner:not(:has(.token)) .secondary-wrap:not(:focus-within)::before {{ content: "any";
  position: absolute; left: 12px; opacity: 0.7; }}
#went {{ display: none; }}
#invitation h1 {{ margin-bottom: 4px; }}
.gradio-style .hit:focus-visible {{ outline: 3px solid var(--color-accent); outline-offset: 3px; border-radius: 4px; }}
@media (max-width: 640px) {{
  #whole > .half {{ display: contents; }}
  #whole > .half > * {{ order: 3; }}
  #query {{ order: 0 !important; }}
  #conditions {{ order: 1 !important; }}
  #strength, div:has(> #strength) {{ order: 2 !important; }}
  #head {{ order: 2 !important; }}
  #found {{ order: 2 !important; }}
  .query img {{ width: 84px; height: 84px; }}
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
  const lasting = (search) => {
    const rest = new URLSearchParams(search);
    for (const name of ['strength', 'way', 'gallery', 'count']) rest.delete(name);
    return rest.toString();
  };
  const to = new URL(link, location.href), went = window.explorerWent;
  if (went && lasting(to.search) != lasting(went)) return link;
  window.explorerWent = null;
  const begun = new URLSearchParams(location.search).has('query');
  const step = begun && lasting(to.search) != lasting(location.search);
  history[step ? 'pushState' : 'replaceState'](null, '', to.search);
  document.dispatchEvent(new Event('addressed'));
  return location.href;
}"""
"""The browser's address follows the state, and the link is a whole one.

One goes back to another query, condition or method; not to each place where the slider stood. Where one has gone to a
link, what was asked before is none of the address's.
"""

WENT = """
for (const acts of ['pointerdown', 'keydown']) window.addEventListener(acts, () => { window.explorerWent = null; });
window.addEventListener('popstate', () => {
  window.explorerWent = location.search;
  if (location.search.length > 1900) location.reload();
  else trigger('select', {link: location.search});
});
"""
"""The browser goes back or forth: the page is told where to, and begins anew where that is longer than it may say."""

KEYS = """() => {
  const all = (grid) => [...grid.querySelectorAll('[data-row]')];
  const middle = (image) => { const box = image.getBoundingClientRect(); return [box.x + box.width / 2, box.y]; };
  const across = (images, image, down) => {
    const [x, y] = middle(image), away = (other) => Math.abs(middle(other)[0] - x) + 9 * Math.abs(middle(other)[1] - y);
    const there = images.filter((other) => down ? middle(other)[1] > y + 9 : middle(other)[1] < y - 9);
    return there.sort((one, other) => away(one) - away(other))[0];
  };
  const goal = (key, images, image) => {
    const at = images.indexOf(image);
    switch (key) {
      case 'ArrowRight': return images[at + 1];
      case 'ArrowLeft': return images[at - 1];
      case 'ArrowDown': return across(images, image, true);
      case 'ArrowUp': return across(images, image, false);
      case 'Home': return images[0];
      case 'End': return images.at(-1);
    }
    return null;
  };
  let taken = false;
  document.addEventListener('keydown', (event) => {
    const image = event.target.closest('[data-row]');
    if (!image || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = goal(event.key, all(image.closest('.grid')), image);
    if (next === null) return;
    event.preventDefault();
    if (next) next.focus();
  });
  document.addEventListener('focusin', (event) => {
    const image = event.target.closest('[data-row]');
    if (image) for (const each of all(image.closest('.grid'))) each.tabIndex = each == image ? 0 : -1;
  });
  document.addEventListener('click', (event) => {
    taken = event.detail == 0 && event.target.closest('#found [data-row]') != null;
  });
  const named = () => {
    for (const box of document.querySelectorAll('#conditions [id^=not-] input')) {
      const menu = document.querySelector(`#attribute-${box.closest('[id^=not-]').id.slice(4)} input`);
      if (menu) box.setAttribute('aria-label', `not these labels of ${menu.getAttribute('aria-label')}`);
    }
  };
  const found = document.querySelector('#hits'), head = document.querySelector('#head');
  if (head) head.setAttribute('role', 'status');
  new MutationObserver(() => {
    const first = found.querySelector('[data-row]');
    if (taken && first) { taken = false; first.focus({preventScroll: true}); }
  }).observe(found, {childList: true, subtree: true});
  document.addEventListener('addressed', named);
}"""
"""Arrow keys, Home and End go from image to image of a grid, at one of which Tab stops.

After Enter on a hit the first of the new hits is the next. Screen readers are told what the boxes that negate belong
to, and that the line above the hits is to be read.
"""

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

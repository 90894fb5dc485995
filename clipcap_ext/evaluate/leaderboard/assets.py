"""The page's style and its script, which sorts tables and nothing more; both stand in the page itself."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6470; --paper: #fff; --line: #d9dee4;
  --band: #f4f6f8; --best: #0b6b3a; --sure: #e2f2e8; --link: #0a58ca; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --soft: #a2abb6; --paper: #14171a;
  --line: #353c45; --band: #1d2227; --best: #6fd79d; --sure: #163524; --link: #8ab8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem clamp(.75rem, 3vw, 2rem) 3rem; max-width: 90rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p, summary { max-width: 50rem; } .soft, .interval, small { color: var(--soft); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }
.scroll:focus-visible, button:focus-visible, summary:focus-visible { outline: 2px solid var(--link);
  outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .45rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { background: var(--band); vertical-align: bottom; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--band); min-width: 8rem;
  max-width: 16rem; white-space: normal; overflow-wrap: anywhere; }
th button { all: unset; cursor: pointer; font-weight: 600; padding: .15rem .1rem; }
th button::after { content: " \\2195"; color: var(--soft); }
th[aria-sort=descending] button::after { content: " \\2193"; color: var(--ink); }
th[aria-sort=ascending] button::after { content: " \\2191"; color: var(--ink); }
.interval { display: block; font-size: .8rem; } .best { color: var(--best); font-weight: 700; }
td.sure { background: var(--sure); }
details { margin: .5rem 0; } summary { cursor: pointer; padding: .35rem 0; }
.signatures { overflow-wrap: anywhere; font-size: .85rem; padding-left: 1.2rem; }
.pictures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: .4rem; overflow: hidden; }
figure img { display: block; width: 100%; height: 14rem; object-fit: contain; background: var(--band); }
figcaption { padding: .6rem .8rem; overflow-wrap: anywhere; } dl { margin: .4rem 0 0; }
dt { font-weight: 600; font-size: .85rem; margin-top: .4rem; } dd { margin: 0; }
""".strip()

SCRIPT = """
for (const table of document.querySelectorAll("table.board")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const onClick = (head, act) => head.querySelector("button").addEventListener("click", act);
  heads.forEach((head, column) => onClick(head, () => {
    const was = head.getAttribute("aria-sort"), lower = head.dataset.first === "ascending";
    const first = lower ? "ascending" : "descending";
    const turned = was === "ascending" ? "descending" : "ascending";
    const now = was === null ? first : turned;
    const way = now === "ascending" ? 1 : -1;
    const value = row => row.cells[column].dataset.value;
    const rows = [...body.rows].sort((one, other) => {
      const a = value(one), b = value(other);
      if (a === "" || b === "") return (a === "") - (b === "");
      return way * (column ? Number(a) - Number(b) : a.localeCompare(b));
    });
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", now);
    body.append(...rows);
  }));
}
""".strip()

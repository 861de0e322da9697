"""The frame of the HTML report: its style, for light and dark screens, for paper and for narrow ones."""

from __future__ import annotations

from string import Template

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ground: #f4f5f7; --ink: #16181d; --quiet: #5c6370; --line: #e1e4ea;
  --valid: #1f8a5b; --rejected: #c8323c; --duplicate: #7a8699; --excluded: #a9b4c6; --warning: #d08700;
  --note: #6b8fd6; --other: #8d6bd6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #1b1e24; --ground: #121419; --ink: #e9ebf0; --quiet: #9aa3b2; --line: #2f343e;
    --valid: #3fb984; --rejected: #f0616b; --duplicate: #8c97aa; --excluded: #58637a; --warning: #e7a72d;
    --note: #7ea2ea; --other: #a88bea;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 2rem 1rem 4rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
header, section, footer { max-width: 70rem; margin: 0 auto 1rem; }
header, section {
  background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 1.4rem 1.6rem;
}
h1 { margin: 0 0 .6rem; font-size: 1.5rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 .9rem; font-size: 1.1rem; }
p { margin: .4rem 0; }
.lead { color: var(--quiet); margin: -.5rem 0 .9rem; }
.quiet, small { color: var(--quiet); font-weight: 400; }
small { display: block; font-size: .82rem; }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.verdict { display: flex; align-items: flex-start; gap: .6rem; font-size: 1.05rem; margin: 0 0 1.1rem; }
.mark {
  flex: none; width: 1.6rem; height: 1.6rem; border-radius: 50%; color: var(--paper); font-weight: 700;
  display: grid; place-items: center;
}
.good .mark { background: var(--valid); } .warn .mark { background: var(--warning); }
.bad .mark { background: var(--rejected); } .bad { font-weight: 600; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: 1rem; }
.facts div { border-left: 3px solid var(--line); padding-left: .8rem; }
.facts span { color: var(--quiet); font-size: .85rem; display: block; }
.facts b { font-size: 1.3rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.stack { display: flex; height: 1.5rem; gap: 2px; border-radius: 6px; overflow: hidden; margin-bottom: 1rem; }
.stack span { min-width: 4px; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .5rem .8rem .5rem 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--quiet); font-size: .82rem; font-weight: 400; padding-top: 0; }
tbody th { font-weight: 500; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.column { white-space: nowrap; }
.lines { font-variant-numeric: tabular-nums; color: var(--quiet); font-size: .88rem; }
.outcomes tbody th { white-space: nowrap; width: 12rem; }
.reasons tbody th { width: 45%; }
.issues tbody th { width: 27%; } .issues .column { white-space: nowrap; }
.lines { width: 13%; } .issues td:last-child { width: 24%; padding-right: 0; }
.bars { width: 11%; min-width: 4rem; }
.reasons .bars { width: 40%; }
.bar { display: block; height: .7rem; margin-top: .4rem; border-radius: 3px; min-width: 3px; }
.dot { display: inline-block; width: .7rem; height: .7rem; border-radius: 3px; margin-right: .5rem; }
.valid { background: var(--valid); } .rejected { background: var(--rejected); }
.duplicate { background: var(--duplicate); } .excluded { background: var(--excluded); }
.warning { background: var(--warning); } .note { background: var(--note); } .other { background: var(--other); }
footer { color: var(--quiet); font-size: .85rem; padding: .6rem 1.6rem; }
dl { display: grid; grid-template-columns: 8rem 1fr; gap: .2rem 1rem; margin: 0 0 .8rem; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 46rem) {
  body { padding: .6rem .4rem; } header, section { padding: 1rem; } dl { grid-template-columns: 1fr; }
  table, tbody, tr, th, td, .reasons tbody th, .issues tbody th, .outcomes tbody th { display: block; width: auto; }
  thead { display: none; }
  tbody tr { border-top: 1px solid var(--line); padding: .7rem 0; } tbody tr:first-child { border-top: 0; }
  tbody th, tbody td { border: 0; padding: .1rem 0; white-space: normal; }
  td[data-label] { display: grid; grid-template-columns: 6.5rem 1fr; gap: .6rem; }
  td[data-label]::before { content: attr(data-label); color: var(--quiet); font-size: .82rem; }
  td:empty { display: none; }
  .bars, .reasons .bars { width: 100%; } .lines { width: auto; } .issues td:last-child { width: auto; }
  .number, .column { white-space: normal; }
}
@media print {
  body { background: none; padding: 0; } header, section { border: 0; padding: .4rem 0; break-inside: avoid-page; }
  .bar, .stack span, .dot, .mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
</style>
</head>
<body>
$body
</body>
</html>
""")

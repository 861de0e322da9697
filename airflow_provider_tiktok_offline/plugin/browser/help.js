// A page of the documentation, as the package brings it: headings, paragraphs and one table.
import { Fragment, Link, Problem, Waiting, h, useEffect, useState } from "./parts.js";

export function Help({ page, back }) {
  const [state, setState] = useState({ text: null, error: null });
  useEffect(() => {
    fetch(new URL(`./help/${page}`, import.meta.url), { credentials: "same-origin" })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(`Airflow answered with ${answer.status}.`))))
      .then((text) => setState({ text, error: null }), (error) => setState({ text: null, error }));
  }, [page]);
  if (!state.text) return state.error ? h(Problem, { error: state.error }) : h(Waiting);
  return h("article", { className: "to-help" },
    h("p", { className: "to-small" }, h(Link, { to: back }, "← Back")),
    state.text.trim().split(/\n{2,}/).map((block, n) => h(Block, { key: n, block })));
}

function Block({ block }) {
  if (block.startsWith("# ")) return h("h1", null, block.slice(2));
  if (!block.startsWith("|")) return h("p", null, h(Inline, { text: block.replaceAll("\n", " ") }));
  const rows = block.split("\n").map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const cells = (row, kind) => row.map((text, n) => h(kind, { key: n, ...(kind === "th" && { scope: "col" }) }, text ? h(Inline, { text }) : "No."));
  return h("div", { className: "to-scroll" }, h("table", { className: "to-table" },
    h("thead", null, h("tr", null, cells(rows[0], "th"))),
    h("tbody", null, rows.slice(2).map((row, n) => h("tr", { key: n }, cells(row, "td"))))));
}

/** Code, strong and emphasised words. */
function Inline({ text }) {
  const words = text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*)/);
  return h(Fragment, null, words.map((word, n) => (word.startsWith("`") ? h("code", { key: n }, word.slice(1, -1))
    : word.startsWith("**") ? h("strong", { key: n }, word.slice(2, -2))
      : word.startsWith("*") ? h("em", { key: n }, word.slice(1, -1)) : word)));
}

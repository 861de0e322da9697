// Ninety days as lines and bars, and what identifies the rows; each with its numbers as text.
import { Fragment, count, dayAfter, h, money, percent } from "./parts.js";

const WIDTH = 900, HEIGHT = 170, GROWING = 3;
const colour = (name) => `var(--chakra-colors-${name})`;

export function Days({ data }) {
  const history = data.history;
  if (!history) return h("section", { className: "to-card to-full" }, h("h2", null, "Ninety days"), h("p", { className: "to-muted" }, "Known after the first settled run."));
  const taken = history.events.accepted ?? history.events.would_send ?? history.rows.valid.map(() => 0);
  const word = history.events.accepted ? (data.route === "liveramp" ? "uploaded" : "accepted") : "would be sent";
  const attributed = history.attributed ?? [];
  const some = attributed.some((number) => number !== null);
  const read = attributed.reduce((last, number, n) => (number === null ? last : n), -1);
  return h("section", { className: "to-card to-full" },
    h("h2", null, `Ninety days of events: ${word}${some ? " and attributed" : ""}`),
    h("p", { className: "to-small to-muted" },
      h("span", { className: "to-key", style: { background: colour("blue-solid") } }), `${word}, by the file's day (${history.time_zone})`,
      some && h(Fragment, null, "  ", h("span", { className: "to-key", style: { background: colour("orange-solid"), marginLeft: 14 } }),
        `attributed, by TikTok's day (${history.attribution_zone || "zone of the ad account"}), on a scale of its own; the last ${GROWING} days are pale: they still grow`)),
    h(Chart, { first: history.first_day, taken, attributed, word, read }),
    h("div", { className: "to-axis", "aria-hidden": true }, [0, 30, 60, taken.length - 1].map((n) => h("span", { key: n }, dayAfter(history.first_day, n)))),
    h(Sums, { history, taken, word, shown: data.values_shown }));
}

function Chart({ first, taken, attributed, word, read }) {
  const step = WIDTH / taken.length;
  const most = Math.max(...taken, 1), mostAttributed = Math.max(...attributed.map((number) => number ?? 0), 1);
  const x = (n) => n * step;
  return h("svg", { className: "to-chart", viewBox: `0 0 ${WIDTH} ${HEIGHT + 2}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `Events of ${taken.length} days from ${first}: at most ${count(most)} ${word} a day. ${read < 0 ? "" : `The last ${GROWING} days of attribution still grow. `}The table below has the sums.` },
    h("line", { x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT, stroke: colour("border"), strokeWidth: 1 }),
    taken.map((number, n) => number > 0 && h("rect", { key: `t${n}`, x: x(n) + 1, width: step * 0.5, y: HEIGHT - (number / most) * (HEIGHT - 8), height: (number / most) * (HEIGHT - 8), fill: colour("blue-solid") },
      h("title", null, `${dayAfter(first, n)}: ${count(number)} ${word}`))),
    attributed.map((number, n) => number !== null && number > 0 && h("rect", { key: `a${n}`, x: x(n) + 1 + step * 0.5, width: step * 0.3, y: HEIGHT - (number / mostAttributed) * (HEIGHT - 8) * 0.6,
      height: (number / mostAttributed) * (HEIGHT - 8) * 0.6, fill: colour("orange-solid"), opacity: n > read - GROWING ? 0.45 : 1 },
      h("title", null, `${dayAfter(first, n)}: ${count(number)} attributed${n > read - GROWING ? ", still growing" : ""}`))));
}

function Sums({ history, taken, word, shown }) {
  const spans = [7, 28, 90];
  const last = (list, days) => list.slice(-days);
  const sum = (list, days) => last(list ?? [], days).reduce((total, number) => total + Number(number ?? 0), 0);
  const values = (days) => Object.fromEntries(Object.entries(history.value ?? {}).map(([currency, list]) => [currency || "none", sum(list, days)]));
  const sent = ["accepted", "refused", "unconfirmed"].map((name) => history.events[name]).reduce((sums, list) => sums.map((sum, n) => sum + (list?.[n] ?? 0)), taken.map(() => 0));
  const heads = ["Last", ...(word === "accepted" ? ["sent", word, "refused"] : [word]), "attributed", ...(shown ? [word === "uploaded" ? "value uploaded" : "value accepted", "value attributed", "spend", "offline return on ad spend"] : [])];
  const paid = (list, days) => (list?.some((one) => one !== null) ? money({ [history.attribution_currency]: sum(list, days) }) : "–");
  return h("div", { className: "to-scroll" }, h("table", { className: "to-table to-small to-sums" },
    h("thead", null, h("tr", null, heads.map((head) => h("th", { key: head, scope: "col" }, head)))),
    h("tbody", null, spans.map((days) => h("tr", { key: days },
      h("th", { scope: "row" }, `${days} days`),
      word === "accepted" && h("td", { className: "to-num" }, count(sum(sent, days))),
      h("td", { className: "to-num" }, count(sum(taken, days))), word === "accepted" && h("td", { className: "to-num" }, count(sum(history.events.refused, days))),
      h("td", { className: "to-num" }, history.attributed?.some((one) => one !== null) ? count(sum(history.attributed, days)) : "–"),
      shown && h("td", { className: "to-num" }, money(values(days))), shown && h("td", { className: "to-num" }, paid(history.attributed_value, days)),
      shown && h("td", { className: "to-num" }, paid(history.spend, days)),
      shown && h("td", { className: "to-num" }, sum(history.spend, days) > 0 ? (sum(history.attributed_value, days) / sum(history.spend, days)).toFixed(2) : "–"))))));
}

const KINDS = [["both", "e-mail and phone", "green-solid"], ["email", "e-mail only", "blue-solid"], ["phone", "phone only", "cyan-solid"], ["none", "neither", "border-emphasized"]];

export function Coverage({ data }) {
  const counts = data.deliveries.at(-1)?.identifiers ?? {};
  const all = KINDS.reduce((sum, [key]) => sum + (counts[key] ?? 0), 0);
  const usual = mean(data.history?.identifiers);
  return h("section", { className: "to-card to-half" },
    h("h2", null, "What identifies the rows"),
    all === 0 ? h("p", { className: "to-muted" }, "Not counted for this file.") : h(Fragment, null,
      h("div", { className: "to-stack", "aria-hidden": true }, KINDS.map(([key, , tone]) => counts[key] > 0 && h("span", { key, style: { width: `${(counts[key] / all) * 100}%`, background: colour(tone) } }))),
      h("ul", { className: "to-small", style: { listStyle: "none" } }, KINDS.map(([key, words, tone]) => h("li", { key },
        h("span", { className: "to-key", style: { background: colour(tone) } }), `${words}: ${percent((counts[key] ?? 0) / all)}`,
        usual && h("span", { className: "to-muted" }, `, ${percent(usual[key])} in the 28 days before`))))),
    h("p", { className: "to-small to-muted", style: { marginTop: 8 } }, "TikTok offers no match rate by its API. Events Manager shows one; here stands what your file gives TikTok to match by."));
}

function mean(columns) {
  if (!columns?.both && !columns?.email) return null;
  const sums = Object.fromEntries(KINDS.map(([key]) => [key, (columns[key] ?? []).slice(-29, -1).reduce((total, number) => total + number, 0)]));
  const all = Object.values(sums).reduce((total, number) => total + number, 0);
  return all ? Object.fromEntries(Object.entries(sums).map(([key, number]) => [key, number / all])) : null;
}

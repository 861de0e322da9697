// One row an advertiser, the worst first.
import {
  Bars, Box, Button, Input, Link, Problem, StateMark, TimeSwitch, Waiting, breakable, count, difference, h, moment, money, percent,
  runAddress, sentence, timed, useAnswer, useEffect, useState,
} from "./parts.js";

const PAGE = 50;
/** Of broken entries; the others are opened, so that the table is not pushed away. */
const MOST_FAULTS = 3;

export function Overview({ local, setLocal, wanted, change }) {
  const [typed, setTyped] = useState(wanted.search);
  useEffect(() => {
    const timer = setTimeout(() => typed !== wanted.search && change({ search: typed, offset: 0 }), 300);
    return () => clearTimeout(timer);
  }, [typed, wanted.search, change]);
  const query = new URLSearchParams({ limit: PAGE, offset: wanted.offset, search: wanted.search });
  if (wanted.state) query.set("state", wanted.state);
  const { data, error } = useAnswer(`overview?${query}`);
  if (!data) return error ? h(Problem, { error }) : h(Waiting);
  const all = Object.values(data.counts).reduce((sum, number) => sum + number, 0);
  return h("div", null,
    h("header", { className: "to-head" },
      h("div", { className: "to-grow" },
        h("h1", null, "Offline conversions"),
        h("p", { className: "to-muted to-small" }, all > 0 && `${count(all)} advertisers, the worst first. `, "As of ", h("span", { className: "to-num" }, moment(data.at, local)), "; read again each minute.")),
      h(TimeSwitch, { local, setLocal })),
    error && h(Problem, { error }),
    h(Broken, { entries: data.broken }),
    h(Incidents, { titles: data.incidents, local }),
    all === 0 && !data.broken.length ? h(Empty) : h("div", null,
      h("div", { className: "to-head" },
        h(States, { data, wanted, change, all }),
        h(Input, { className: "to-grow", size: "sm", maxW: "280px", type: "search", placeholder: "Name or account id",
          "aria-label": "Search advertisers", value: typed, onChange: (event) => setTyped(event.target.value) })),
      data.advertisers.length ? h(Table, { data, local }) : h("p", { className: "to-muted" }, "No advertiser is in this state."),
      h(Pages, { data, change })));
}

function Broken({ entries }) {
  if (!entries.length) return null;
  const found = byEntry(entries);
  return h(Box, { className: "to-alert to-red", role: "alert" },
    h("strong", null, "✕ Broken entries have no DAG and deliver nothing. Correct the configuration:"),
    h(Faults, { found: found.slice(0, MOST_FAULTS) }),
    found.length > MOST_FAULTS && h("details", null,
      h("summary", null, `${count(found.length - MOST_FAULTS)} more`), h(Faults, { found: found.slice(MOST_FAULTS) })));
}

const Faults = ({ found }) => h("ul", { className: "to-break" }, found.map(({ key, path, place, name, faults }) =>
  h("li", { key, title: path }, name && h("strong", null, name), name && place && ", ", place, place && ": ", faults)));

/** How a fault of the configuration is written: file:line, entry, key: what is wrong. */
const FAULT = /^(.+?\.ya?ml)(?::(\d+))?(?:, entry (.+?))?(?:, key (.+?))?: (.+)$/;

/** One line an entry: its name, the file without the folder that all have in common, and what is wrong with which keys. */
function byEntry(lines) {
  const read = lines.map((line) => line.match(FAULT) ?? [line]);
  const paths = read.filter((one) => one[1]).map((one) => one[1].split("/").slice(0, -1));
  const differ = (paths[0] ?? []).findIndex((part, n) => paths.some((path) => path[n] !== part));
  const common = differ < 0 ? Math.min(...paths.map((path) => path.length)) : differ;
  const groups = new Map();
  for (const one of read) groups.set(groupOf(one), [...(groups.get(groupOf(one)) ?? []), one]);
  return [...groups].map(([key, found]) => {
    const [whole, path, line, name] = found[0];
    if (!path) return { key, faults: whole };
    const place = path.split("/").slice(common).join("/") + (line ? `:${line}` : "");
    const keys = {};
    for (const [, , other, , wrong, what] of found) (keys[what] ??= []).push(`${wrong ?? ""}${wrong && other !== line ? ` (line ${other})` : ""}`);
    const faults = Object.entries(keys).map(([what, of]) => [of.filter(Boolean).join(", "), what].filter(Boolean).join(": ")).join("; ");
    return { key, path, place, name, faults };
  });
}

const groupOf = ([whole, path, , name]) => (path ? `${path} ${name ?? ""}` : whole);

function Incidents({ titles, local }) {
  if (!titles.length) return null;
  return h(Box, { className: "to-alert to-orange", role: "status" },
    h("strong", null, "! TikTok reports an incident: "), timed(titles.join("; "), local));
}

function Empty() {
  return h("section", { className: "to-empty" },
    h("h2", null, "No advertiser yet"),
    h("p", { className: "to-muted" }, "A DAG appears here as soon as advertisers.yaml has an entry and Airflow has read it. ",
      h("code", null, "tiktok-offline config from-file"), " proposes an entry for the file that your till or shop already writes."),
    h("p", { className: "to-muted to-small" }, "If you expected some: you see only DAGs that you may read."));
}

function States({ data, wanted, change, all }) {
  const chip = (key, label, number) => h("button", {
    key: label, type: "button", className: "to-choice", "aria-pressed": wanted.state === key,
    onClick: () => change({ state: key, offset: 0 }),
  }, `${label} ${count(number)}`);
  return h("div", { className: "to-choices to-chips", role: "group", "aria-label": "Show one state only" },
    chip("", "all", all),
    data.states.filter((state) => data.counts[state.key]).map((state) => chip(state.key, state.word, data.counts[state.key])));
}

function Table({ data, local }) {
  const heads = ["Advertiser", "State", "File", "Rows", "Rejected", "Events", ...(data.advertisers.some((row) => row.values) ? ["Value"] : []), "Fourteen days", "Doctor"];
  const values = heads.includes("Value");
  return h("div", null, h("table", { className: "to-table to-overview", "aria-label": "Advertisers, the worst first" },
    h("thead", null, h("tr", null, heads.map((head) => h("th", { key: head, scope: "col", className: head === "Rows" || head === "Value" ? "to-right" : "" }, head)))),
    h("tbody", null, data.advertisers.map((row) => h(Row, { key: row.dag_id, row, local, values })))),
  h("p", { className: "to-muted to-small", style: { marginTop: 8 } },
    "Rows against the mean of the days with a file among the 28 before. A file's day is in the advertiser's time zone."));
}

function Row({ row, local, values }) {
  const cell = (label, name, ...children) => h("td", { "data-label": label, className: name }, ...children);
  return h("tr", null,
    cell("Advertiser", "to-who to-wide to-bare",
      h(Link, { className: "to-name to-break", to: `?advertiser=${encodeURIComponent(row.dag_id)}` }, row.display_name ?? breakable(row.advertiser)),
      row.display_name && h("div", { className: "to-muted to-small to-break" }, breakable(row.advertiser)),
      h("div", { className: "to-muted to-small" }, [row.route === "liveramp" ? "by LiveRamp" : row.route && "direct to TikTok", row.mode?.replace("_", " ")].filter(Boolean).join(", "))),
    cell("State", "to-what to-wide to-bare",
      h(StateMark, { state: row.state }),
      row.state.key !== "delivered" && h("div", { className: "to-small to-break" }, sentence(row.state.reason, local), " ", h("strong", null, timed(row.state.todo, local))),
      row.state.since && ["waiting", "late", "approval"].includes(row.state.key) && h("div", { className: "to-muted to-small" }, `since ${moment(row.state.since, local)}`),
      row.answer_until && h("div", { className: "to-muted to-small" }, `rejected without an answer until ${moment(row.answer_until, local)}`),
      row.run && !["delivered", "paused", "idle"].includes(row.state.key) && h("div", { className: "to-small" },
        h(Link, { to: runAddress(row.dag_id, row.run.run_id, row.state.task) }, row.state.task ? `Open ${row.state.task}` : "Open the run"))),
    cell("File", "to-file to-wide", h(FileCell, { row, local })),
    cell("Rows", "to-right", h("div", { className: "to-num" }, count(row.rows.total)),
      difference(row.difference) && h("div", { className: `to-small to-num ${row.difference < -0.3 ? "to-strong" : "to-muted"}` }, `${difference(row.difference)} to mean`)),
    cell("Rejected", "", h(Gate, { row })),
    cell("Events", "to-wide to-events", h(Events, { row })),
    values && cell("Value", "to-right to-num", money(row.values)),
    cell("Fourteen days", "", h(Bars, { bars: row.bars })),
    cell("Doctor", "to-doctor", h(Doctor, { row, local })));
}

function FileCell({ row, local }) {
  const awaited = ["waiting", "late"].includes(row.state.key);
  const place = awaited ? row.expected : row.file;
  return h("div", { className: "to-small" },
    h("div", null, h("strong", null, awaited ? row.awaited_day : row.day ?? "–"), " ", h("span", { className: "to-muted" }, row.time_zone ?? "")),
    place && h("div", { className: "to-break", title: place }, awaited ? "expects " : "", breakable(place.split("/").pop())),
    awaited && row.day && h("div", { className: "to-muted" }, `figures: file of ${row.day}`),
    row.next_look ? h("div", { className: "to-muted" }, `looks again ${moment(row.next_look, local, { date: false })}`)
      : row.next_run && h("div", { className: "to-muted" }, `next run ${moment(row.next_run, local)}`));
}

function Gate({ row }) {
  if (row.rejected_share === null || row.rejected_share === undefined) return h("span", { className: "to-muted" }, "–");
  const over = row.rejected_share > row.gate;
  const width = Math.min(100, (row.rejected_share / (row.gate || 1)) * 100);
  return h("div", { className: "to-small" },
    h("div", { className: "to-num" }, over ? h("strong", null, `⊘ ${percent(row.rejected_share)}`) : percent(row.rejected_share), h("span", { className: "to-muted" }, ` of ${percent(row.gate)}`)),
    h("div", { className: `to-meter${over ? " to-over" : ""}`, "aria-hidden": true }, h("span", { style: { width: `${width}%` } })));
}

function Events({ row }) {
  if (row.new === null) return h("span", { className: "to-muted" }, "–");
  const taken = row.route === "liveramp" ? "uploaded" : "accepted";
  const lines = [[taken, row.events.accepted], ["would be sent", row.events.would_send], ["refused", row.events.refused], ["unconfirmed", row.events.unconfirmed]];
  return h("div", { className: "to-small" },
    h("div", { className: "to-num" }, `${count(row.new)} new`),
    h("div", { className: "to-muted" }, lines.filter(([, number]) => number).map(([word, number]) => `${count(number)} ${word}`).join(", ") || "none sent"),
    row.window_hours_left !== null && h("strong", null, row.window_hours_left > 0 ? `${row.window_hours_left} h of ${row.retry_hours} h left to send again` : "the time to send again is over"));
}

function Doctor({ row, local }) {
  if (!row.doctor) return h("span", { className: "to-muted to-small" }, "no look yet");
  const { finding } = row.doctor;
  return h("div", { className: "to-small", title: moment(row.doctor.at, local) },
    finding ? h("span", { className: "to-break" }, h("strong", null, finding.status === "failed" ? "✕ " : "! "), timed(`${finding.subject}: ${finding.text}`, local))
      : h("span", { className: "to-muted" }, `✓ ${count(row.doctor.ok)} in order`));
}

function Pages({ data, change }) {
  if (data.total <= data.limit) return null;
  const last = Math.min(data.offset + data.limit, data.total);
  const go = (label, offset, off) => h(Button, { size: "sm", variant: "outline", disabled: off, onClick: () => change({ offset }) }, label);
  return h("nav", { className: "to-foot", "aria-label": "Pages" },
    go("Back", Math.max(0, data.offset - data.limit), data.offset === 0),
    h("span", { className: "to-small to-num" }, `${count(data.offset + 1)} to ${count(last)} of ${count(data.total)}`),
    go("Next", data.offset + data.limit, last >= data.total));
}

// One advertiser: what became of a day's file, what TikTok attributed, what is open, and how it is set up.
import {
  Fragment, Link, Problem, StateMark, TimeSwitch, Waiting, count, difference, h, moment, money, percent, reportAddress, runAddress, sentence,
  timed, useAnswer, useSearchParams, useState,
} from "./parts.js";
import { Coverage, Days } from "./charts.js";

export function Advertiser({ dagId, local, setLocal, back }) {
  const { data, error } = useAnswer(`advertisers/${encodeURIComponent(dagId)}`);
  if (!data) return error ? h("div", null, back && h(Back), h(Problem, { error })) : h(Waiting);
  return h("div", null,
    back && h(Back),
    h("header", { className: "to-head" },
      h("div", { className: "to-grow" }, h("h1", { className: "to-break" }, data.display_name ?? data.advertiser), data.display_name && h("div", { className: "to-muted to-small to-break" }, data.advertiser)),
      h(StateMark, { state: data.state }), h(TimeSwitch, { local, setLocal })),
    error && h(Problem, { error }),
    h(Banner, { data, local }),
    h("div", { className: "to-grid" },
      h(Facts, { data, local }), h(Funnel, { data, local }), h(Attributed, { data, local }),
      h(Days, { data }), h(Coverage, { data }), h(Freshness, { data, local }), h(Doubts, { data, local }), h(SetUp, { data, local }),
      data.route === "liveramp" && h(Feeds, { data }), h(Changes, { data, local })));
}

const Back = () => h("p", { className: "to-small", style: { marginBottom: 8 } }, h(Link, { to: "?" }, "← All advertisers"));

function Card({ title, kind = "to-half", children }) {
  return h("section", { className: `to-card ${kind}` }, h("h2", null, title), children);
}

function Banner({ data, local }) {
  if (["delivered", "idle"].includes(data.state.key)) return null;
  const colour = { failed: "red", gate: "orange", pool: "red", late: "orange", fault: "orange", unsettled: "orange", approval: "purple" }[data.state.key] ?? "blue";
  return h("div", { className: `to-alert to-${colour} to-break` },
    h("div", null, sentence(data.state.reason, local), " ", h("strong", null, timed(data.state.todo, local))),
    h("div", { className: "to-small" },
      data.state.since && `Since ${moment(data.state.since, local)}. `,
      data.answer_until && `Without an answer until ${moment(data.answer_until, local)} it counts as rejected: nothing is sent. `,
      data.run && h(Link, { to: runAddress(data.dag_id, data.run.run_id, data.state.task) }, data.state.task ? `Open ${data.state.task} and its log` : "Open the run")));
}

function Facts({ data, local }) {
  const awaits = ["waiting", "late"].includes(data.state.key);
  const facts = [
    ["Ad account", data.advertiser_id], ["Event set", data.event_set_id],
    ["Route", data.route === "liveramp" ? "by LiveRamp" : "direct to TikTok"], ["Mode", data.mode?.replace("_", " ")],
    ["Time zone of a file's day", data.time_zone],
    data.next_look ? ["Looks again", moment(data.next_look, local)] : ["Next run", moment(data.next_run, local)],
    awaits ? ["Expects", data.expected] : ["Newest file", data.file],
  ];
  return h("section", { className: "to-card to-full", "aria-label": "Facts" },
    h("dl", { className: "to-facts" }, facts.map(([name, value]) => h("div", { key: name }, h("dt", null, name), h("dd", null, value ?? "–")))));
}

function Funnel({ data, local }) {
  const [day, setDay] = useState("");
  return h(Card, { title: `From the file to ${data.route === "liveramp" ? "LiveRamp" : "TikTok"}`, kind: "to-two-thirds" },
    h("label", { className: "to-small to-muted" }, "Day of the file ",
      h("input", { type: "date", value: day || data.day || "", max: new Date().toISOString().slice(0, 10), className: "to-choice", onChange: (event) => setDay(event.target.value) }),
      ` (${data.time_zone ?? "UTC"})`),
    day && day !== data.day ? h(OtherDay, { dagId: data.dag_id, day, local }) : h(Deliveries, { deliveries: data.deliveries, dagId: data.dag_id, local }),
    h("p", { className: "to-small", style: { marginTop: 8 } }, h(NotAttributed, null, "Accepted but not attributed?")));
}

function NotAttributed({ children }) {
  const [query] = useSearchParams();
  const to = new URLSearchParams(query);
  to.set("help", "not-attributed");
  return h(Link, { to: `?${to}` }, children);
}

function OtherDay({ dagId, day, local }) {
  const { data, error } = useAnswer(`advertisers/${encodeURIComponent(dagId)}/days/${day}`);
  if (!data) return error ? h(Problem, { error }) : h(Waiting);
  return h(Deliveries, { deliveries: data.deliveries, dagId, local });
}

function Deliveries({ deliveries, dagId, local }) {
  if (!deliveries.length) return h("p", { className: "to-muted" }, "No file of this day is known. Airflow keeps a day's details as long as its XComs.");
  return h(Fragment, null, deliveries.map((one) => h("div", { key: one.delivery_id ?? one.run_id },
    one.error && h("p", { className: "to-alert to-red to-break" }, timed(`✕ ${one.error.what} ${one.error.todo ?? ""}`, local)),
    one.file && h("p", { className: "to-small to-muted to-break", style: { margin: "8px 0" } },
      one.file.split("/").pop(), one.at && `, noted ${moment(one.at, local)}`, one.mode !== "live" && `, mode ${one.mode}: nothing was sent`,
      one.rows?.total !== undefined && h(Fragment, null, ", ", h("a", { href: reportAddress(dagId, one.delivery_id) }, "open its report")),
      one.run_id && h(Fragment, null, ", ", h(Link, { to: runAddress(dagId, one.run_id, one.task_id) }, "open its task"))),
    one.drift?.length > 0 && h("p", { className: "to-alert to-orange to-break" }, `! Less than usual: ${one.drift.join("; ")}.`),
    one.funnel && h(Steps, { steps: one.funnel }))));
}

function Steps({ steps }) {
  const most = Math.max(...steps.map((step) => step.count ?? 0), 1);
  return h("div", null, steps.map((step) => h("div", { key: step.name, className: "to-step" },
    h("div", { className: "to-step-line" },
      h("strong", null, step.label), h("span", { className: "to-num", style: { textAlign: "right" } }, count(step.count)),
      h("div", { className: "to-step-bar", "aria-hidden": true }, h("span", { style: { width: `${((step.count ?? 0) / most) * 100}%` } }))),
    step.lost.length > 0 && h("details", null,
      h("summary", null, `${count(step.lost.reduce((sum, one) => sum + one.count, 0))} did not get here: ${step.lost.map((one) => one.name.replaceAll("_", " ")).join(", ")}`),
      h("div", { className: "to-scroll" }, h("table", { className: "to-reasons" },
        h("thead", null, h("tr", null, ["How many", "Why", "Next"].map((head) => h("th", { key: head, scope: "col", style: { textAlign: "left", paddingRight: 12 } }, head)))),
        h("tbody", null, step.lost.map((one) => h("tr", { key: one.name },
          h("td", { className: "to-num" }, count(one.count)), h("td", null, h("code", null, one.name), ` ${one.text}`), h("td", null, one.todo || "Nothing.")))))))))) ;
}

function Attributed({ data, local }) {
  const one = data.attribution;
  return h(Card, { title: "Attributed by TikTok", kind: "to-third" },
    h("p", { className: "to-small to-muted" }, "Not a step of the file: TikTok counts a purchase on the day of the click or view, so these events are no part of that day's file."),
    one ? h(Fragment, null,
      h("p", { style: { fontSize: 26, fontWeight: 650 }, className: "to-num" }, count(one.events)),
      h("p", { className: "to-small" }, `on ${one.day} (${one.time_zone || "zone of the ad account"}), still growing for some days`),
      one.value !== null && h("p", { className: "to-small" }, `value ${money({ [one.currency]: one.value })}, spend ${money({ [one.currency]: one.spend })}`),
      one.value !== null && Number(one.spend) > 0 && h("p", null, "offline return on ad spend ", h("strong", null, (Number(one.value) / Number(one.spend)).toFixed(2))),
      h("p", { className: "to-small to-muted" }, `read ${moment(one.read_at, local)}`))
      : h("p", null, "No report was read yet. It needs the setting ", h("code", null, "reports:"), " or ", h("code", null, "tiktok-offline report"), "."),
    h("p", { className: "to-small", style: { marginTop: 10 } }, h("strong", null, "Accepted but not attributed? "), "Check in this order:"),
    h("ul", { className: "to-small", style: { listStyle: "disc", marginLeft: 18 } }, reasons(data, local).map((text) => h("li", { key: text }, text))),
    h("p", { className: "to-small", style: { marginTop: 8 } }, h(NotAttributed, null, "How to check each of these")));
}

/** What the page can check itself stands first, with its answer. */
function reasons(data, local) {
  const ads = data.findings?.findings.find((one) => one.subject === "ads");
  const used = data.findings?.passed?.includes("ads");
  return [
    ads ? timed(`✕ ${ads.text} ${ads.todo}`, local) : used ? "✓ Active ads track the event set." : "Do the active ads track the event set? Doctor has not looked.",
    data.day ? `The newest file is of ${data.day}: are 24 hours over, and the days after the click still to come?` : "Is the file delivered, and are 24 hours over?",
    "Did an ad run in the window: 28 days before the sale for a click, 7 for a view?",
    `Time zone and currency: files ${data.time_zone ?? "?"}, ${data.currency ?? "no currency"}; account ${data.attribution ? `${data.attribution.time_zone || "?"}, ${data.attribution.currency || "?"}` : "not read"}.`,
    "Were campaigns or ads deleted? Reports below the account leave them out.",
    "Few e-mails or phones? Look at the coverage below.",
  ];
}

function Freshness({ data, local }) {
  const one = data.deliveries.at(-1);
  const hours = one?.last_time && one.state === "closed" ? (new Date(one.at) - new Date(one.last_time)) / 3_600_000 : null;
  const slowest = one?.first_time && one.state === "closed" ? (new Date(one.at) - new Date(one.first_time)) / 3_600_000 : null;
  return h(Card, { title: "From the sale to the answer" },
    hours === null ? h("p", { className: "to-muted" }, "Known once a file is settled.")
      : h("p", null, h("strong", { className: "to-num" }, `${hours.toFixed(1)} h`), " after the newest sale of the file, ", h("strong", { className: "to-num" }, `${slowest.toFixed(1)} h`), " after the oldest."),
    one?.first_time && h("p", { className: "to-small to-muted" }, `Sales from ${moment(one.first_time, local)} to ${moment(one.last_time, local)}; noted ${moment(one.at, local)}.`),
    data.usual_rows && h("p", { className: "to-small" }, `${count(data.rows.total)} rows, ${difference(data.difference)} to the mean of ${count(Math.round(data.usual_rows))} (days with a file among the 28 before).`));
}

function Doubts({ data, local }) {
  const open = data.events.unconfirmed ?? 0;
  return h(Card, { title: "Open doubts" },
    open === 0 ? h("p", { className: "to-muted" }, "None: every event that was sent has an answer.")
      : h(Fragment, null,
        h("p", null, h("strong", null, `${count(open)} events were sent and got no answer.`), " TikTok may have them or not."),
        h("p", null, data.window_hours_left > 0
          ? `Until ${moment(data.resend_until, local)} (${data.window_hours_left} of ${data.retry_hours} hours left) they are sent again under the same ids, which TikTok counts once: clear the upload task.`
          : "The window in which TikTok counts a repeated id once is over. Compare Events Manager's counts of that hour, then decide:"),
        h("code", { className: "to-code" }, `tiktok-offline ledger resolve --config advertisers.yaml --advertiser ${data.advertiser} --assume-sent --reason "…"`),
        h("p", { className: "to-small to-muted" }, "--assume-sent if most arrived, --resend if TikTok says that they did not; the reason is kept.")));
}

/** What TikTok needs stands first and always; doctor proves the role only where it is asked to. */
const NEEDED = [["access token", "token"], ["scopes", "scopes"], ["role", "role"], ["event set", "event set"], ["ads", "ads that use it"]];
const LOOKS = { ok: ["✓", "green", "in order"], warning: ["!", "orange", "look at it"], failed: ["✕", "red", "fault"], unknown: ["·", "gray", "not looked at"] };

function SetUp({ data, local }) {
  const look = data.findings;
  if (!look) return h(Card, { title: "Set-up" }, h("p", { className: "to-muted" }, "Doctor has not looked yet: the maintenance DAG does it each night, `tiktok-offline doctor` at once."));
  const bad = Object.fromEntries(look.findings.map((one) => [one.subject, one]));
  const words = Object.fromEntries(data.route === "tiktok" ? NEEDED : []);
  const others = [...(look.passed ?? []), ...Object.keys(bad)].filter((name) => !(name in words));
  return h(Card, { title: "Set-up" },
    h("ul", { className: "to-strip" }, [...Object.keys(words), ...new Set(others)].map((name) => {
      const [sign, colour, word] = LOOKS[bad[name]?.status ?? (look.passed?.includes(name) ? "ok" : "unknown")];
      return h("li", { key: name, className: `to-${colour}` }, `${sign} ${words[name] ?? name}: ${word}`);
    })),
    data.route === "tiktok" && !bad.role && !look.passed?.includes("role") && h("p", { className: "to-small to-muted", style: { marginTop: 6 } },
      "Reading does not show the role: ", h("code", null, "tiktok-offline auth check --prove-role"), " does. That events may be sent shows with the first upload."),
    h("ul", { className: "to-small", style: { marginTop: 10 } }, look.findings.map((one) => h("li", { key: one.subject + one.text, className: "to-break" }, h("strong", null, one.subject), timed(`: ${one.text} `, local), h("strong", null, timed(one.todo, local))))),
    h("p", { className: "to-small to-muted" }, `Doctor looked ${moment(look.at, local)}.`));
}

function Feeds({ data }) {
  const feeds = [...(data.history?.feeds ?? [])].reverse();
  return h(Card, { title: "Files delivered to LiveRamp", kind: "to-full" },
    h("p", { className: "to-small to-muted" }, "Uploaded, not confirmed: LiveRamp's answer stands in Connect, Files, after about 20 minutes. Compare name and rows, or export that page and run ",
      h("code", null, "tiktok-offline liveramp files CSV"), "."),
    feeds.length === 0 ? h("p", null, "None yet.") : h("div", { className: "to-scroll" }, h("table", { className: "to-table" },
      h("thead", null, h("tr", null, ["UTC day", "File", "Rows", "Bytes", "SHA-256"].map((head) => h("th", { key: head, scope: "col" }, head)))),
      h("tbody", null, feeds.slice(0, 14).map((one) => h("tr", { key: one.name + one.day },
        h("td", { className: "to-num" }, one.day), h("td", { className: "to-break" }, one.name), h("td", { className: "to-num" }, count(one.rows)),
        h("td", { className: "to-num" }, count(one.bytes)), h("td", null, h("code", null, (one.sha256 ?? "").slice(0, 12)))))))));
}

function Changes({ data, local }) {
  const changes = [...(data.history?.changes ?? [])].reverse();
  return h(Card, { title: "Changes", kind: "to-full" },
    changes.length === 0 ? h("p", { className: "to-muted" }, "None in the last 90 days.") : h("div", { className: "to-scroll" }, h("table", { className: "to-table" },
      h("thead", null, h("tr", null, ["When", "What", "Why", "Who"].map((head) => h("th", { key: head, scope: "col" }, head)))),
      h("tbody", null, changes.map((one) => h("tr", { key: one.at + one.what },
        h("td", { className: "to-num" }, moment(one.at, local)),
        h("td", null, one.what, one.whole_set && h("div", { className: "to-muted" }, "for the whole event set")), h("td", { className: "to-break" }, one.text), h("td", null, one.by || "–")))))));
}

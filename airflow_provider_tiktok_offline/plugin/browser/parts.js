// What all of the page is made of: elements, the API, numbers and times in words, states, small bars.
export const { createElement: h, useState, useEffect, useMemo, useCallback, Fragment } = globalThis.React;
export const { Link, useSearchParams } = globalThis.ReactRouterDOM;
// Airflow 3.1 does not hand Chakra UI on: plain elements, with the page's own look, stand in for it.
const chakra = globalThis.ChakraUI ?? {};
const { createElement } = globalThis.React;
const plain = (kind, look) => ({ size, variant, maxW, className = "", ...rest }) =>
  createElement(kind, { className: `${look} ${className}`, style: maxW && { maxWidth: maxW }, ...rest });
export const Box = chakra.Box ?? plain("div", "");
export const Button = chakra.Button ?? plain("button", "to-choice");
export const Input = chakra.Input ?? plain("input", "to-choice");
export const Spinner = chakra.Spinner ?? plain("span", "");

const API = new URL("./api/", import.meta.url);

/** Ask the API; the address is beside this script, whatever path the deployment has before it. */
export async function ask(path) {
  const answer = await fetch(new URL(path, API), { credentials: "same-origin", headers: { Accept: "application/json" } });
  if (answer.ok) return answer.json();
  const words = { 401: "Your session has ended. Sign in again.", 403: "You may not read this DAG.",
    404: "This DAG delivers no offline conversions." };
  throw new Error(words[answer.status] ?? `Airflow answered with ${answer.status}.`);
}

/** Data of the API that is read again each minute; what is shown stays until the new answer is there. */
export function useAnswer(path, every = 60_000) {
  const [state, setState] = useState({ path: null, data: null, error: null });
  useEffect(() => {
    let gone = false;
    const read = () => ask(path).then(
      (data) => gone || setState({ path, data, error: null }),
      (error) => gone || setState((before) => ({ path, data: before.path === path ? before.data : null, error })),
    );
    read();
    const timer = setInterval(() => document.hidden || read(), every);
    return () => { gone = true; clearInterval(timer); };
  }, [path, every]);
  return state;
}

/** Sign and colours of each state; no state is told by its colour alone. */
export const LOOKS = {
  failed: ["✕", "red"], gate: ["⊘", "orange"], approval: ["?", "purple"], unsettled: ["≈", "orange"],
  pool: ["!", "red"], late: ["◷", "orange"], fault: ["!", "orange"], waiting: ["…", "blue"], running: ["▶", "cyan"],
  new: ["○", "gray"], queued: ["»", "blue"], paused: ["‖", "gray"], dry_run: ["◌", "gray"],
  delivered: ["✓", "green"], idle: ["–", "gray"],
};

export function StateMark({ state }) {
  const [sign, colour] = LOOKS[state.key] ?? ["·", "gray"];
  return h("span", { className: `to-state to-${colour}` }, h("span", { "aria-hidden": true }, sign), state.word);
}

/** A name that may break behind its underscores, instead of anywhere. */
export const breakable = (name) => (name ?? "").split("_").flatMap((part, n) => (n ? ["_", h("wbr", { key: n }), part] : [part]));

/** A text whose moments, as 2026-11-28 06:00 UTC, are shown by the switch, too. */
export const timed = (text, local) => (text ?? "").replace(/\b(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC\b/g, (_, day, time) => moment(`${day}T${time}Z`, local));
export const sentence = (text, local) => timed(text && text[0].toUpperCase() + text.slice(1), local);
export const count = (number) => (number === null || number === undefined ? "–" : number.toLocaleString("en"));
/** A share in three digits, as the reports of files write it: only none is 0 %, and only all are 100 %. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const number = share * 100;
  if (number === 0 || number === 100) return `${number} %`;
  if (number < 0.01) return "<0.01 %";
  if (number >= 99.95 && number < 100) return ">99.9 %";
  return `${number.toFixed(number < 9.995 ? 2 : 1)} %`;
}

export function money(sums) {
  const named = Object.entries(sums ?? {});
  if (!named.length) return "–";
  return named.map(([currency, amount]) => `${Math.round(Number(amount)).toLocaleString("en")} ${currency === "none" ? "" : currency}`.trim()).join(", ");
}

export function difference(share) {
  if (share === null || share === undefined) return null;
  const sign = share > 0 ? "+" : share < 0 ? "−" : "±";
  return `${sign}${Math.abs(share * 100).toFixed(0)} %`;
}

/** A moment in UTC or in the reader's own time, always with its zone. */
export function moment(text, local, { date = true } = {}) {
  if (!text) return "–";
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: local ? undefined : "UTC",
    timeZoneName: "short", ...(date ? { year: "numeric", month: "2-digit", day: "2-digit" } : {}) };
  return new Intl.DateTimeFormat("en-CA", options).format(new Date(text)).replace(", ", " ");
}

export function useLocalTimes() {
  const [local, setLocal] = useState(() => globalThis.localStorage?.getItem("tiktok-offline-times") === "local");
  const change = (wanted) => {
    globalThis.localStorage?.setItem("tiktok-offline-times", wanted ? "local" : "utc");
    setLocal(wanted);
  };
  return [local, change];
}

export function TimeSwitch({ local, setLocal }) {
  const choice = (wanted, label) => h("button", {
    type: "button", className: "to-choice", "aria-pressed": local === wanted, onClick: () => setLocal(wanted),
  }, label);
  return h("div", { className: "to-choices", role: "group", "aria-label": "Time zone of the times shown" },
    choice(false, "UTC"), choice(true, "Local time"));
}

const DAY_WORDS = { f: "not settled", o: "at work", w: "waiting", c: "delivered", "-": "no file" };

export function dayAfter(first, number) {
  const day = new Date(`${first}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() + number);
  return day.toISOString().slice(0, 10);
}

/** Rows of fourteen days; a day that is not settled is hollow, a day without a file a line. */
export function Bars({ bars }) {
  if (!bars?.rows) return h("span", { className: "to-muted" }, "–");
  const most = Math.max(...bars.rows, 1);
  const words = bars.rows.map((rows, n) => `${dayAfter(bars.first_day, n)}: ${count(rows)} rows, ${DAY_WORDS[bars.states[n]]}`);
  return h("svg", { className: "to-bars", viewBox: "0 0 112 28", role: "img", "aria-label": `Rows of fourteen days. ${words.join("; ")}` },
    bars.rows.map((rows, n) => {
      const height = rows ? Math.max(2, (rows / most) * 26) : 1.5;
      const kind = rows ? `to-bar-${bars.states[n] === "-" ? "none" : bars.states[n]}` : "to-bar-none";
      return h("rect", { key: n, x: n * 8 + 1, width: 6, rx: 1, y: 28 - height, height, className: kind }, h("title", null, words[n]));
    }));
}

export function Problem({ error }) {
  return h("p", { className: "to-alert to-red", role: "alert" }, error.message);
}

export function Waiting() {
  return h("div", { className: "to-wait", role: "status" }, h(Spinner, { size: "sm" }), " Reading…");
}

/** The page of a file's report: Airflow finds where it lies by the delivery's id. */
export const reportAddress = (dagId, deliveryId) =>
  `${new URL("../tiktok-offline/report", import.meta.url).pathname}?${new URLSearchParams({ dag_id: dagId, delivery_id: deliveryId })}`;

export const runAddress = (dagId, runId, task) =>
  `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}${task ? `/tasks/${encodeURIComponent(task)}` : ""}`;

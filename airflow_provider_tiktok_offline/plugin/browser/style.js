// The page's look, on the colours of Airflow's own theme, so that light and dark follow it.
const colour = (name) => `var(--chakra-colors-${name})`;
const palette = ["red", "orange", "purple", "blue", "cyan", "green", "gray"].map((name) => `
.to-${name} { color: ${colour(`${name}-fg`)}; background: ${colour(`${name}-subtle`)}; border-color: ${colour(`${name}-muted`)}; }`).join("");

const STYLE = `
.to-page { padding: 20px 24px 48px; width: 100%; max-width: 1680px; margin: 0 auto; color: ${colour("fg")}; font-size: 14px; line-height: 1.45; }
.to-page h1 { font-size: 22px; font-weight: 650; line-height: 1.25; }
.to-page h2 { font-size: 15px; font-weight: 650; margin-bottom: 10px; }
.to-page a { color: ${colour("blue-fg")}; text-decoration: underline; text-underline-offset: 2px; }
.to-page a:focus-visible, .to-page button:focus-visible, .to-page summary:focus-visible, .to-page [tabindex]:focus-visible { outline: 2px solid ${colour("blue-solid")}; outline-offset: 2px; border-radius: 3px; }
.to-head { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin-bottom: 14px; }
.to-grow { flex: 1 1 220px; min-width: 0; }
.to-muted { color: ${colour("fg-muted")}; }
.to-small { font-size: 12.5px; }
.to-num { font-variant-numeric: tabular-nums; white-space: nowrap; }
.to-break { overflow-wrap: anywhere; }
.to-choices { display: inline-flex; flex-wrap: wrap; gap: 6px; }
.to-choice { border: 1px solid ${colour("border")}; border-radius: 6px; padding: 4px 10px; font-size: 13px; background: transparent; color: ${colour("fg")}; cursor: pointer; }
.to-choice:hover { background: ${colour("bg-muted")}; }
.to-choice[aria-pressed="true"] { background: ${colour("fg")}; color: ${colour("bg")}; border-color: ${colour("fg")}; }
.to-state { display: inline-flex; gap: 6px; align-items: center; border: 1px solid; border-radius: 999px; padding: 1px 10px; font-weight: 600; font-size: 13px; white-space: nowrap; }
.to-alert { border: 1px solid; border-radius: 8px; padding: 10px 14px; margin-bottom: 12px; }
.to-alert summary { cursor: pointer; } .to-alert ul { margin: 4px 0 0 18px; list-style: disc; }
.to-wait { display: flex; gap: 8px; align-items: center; padding: 40px 0; }
.to-card { border: 1px solid ${colour("border")}; border-radius: 10px; padding: 14px 16px; background: ${colour("bg-panel")}; min-width: 0; }
.to-table { width: 100%; border-collapse: collapse; }
.to-table th { text-align: left; font-size: 12.5px; font-weight: 600; color: ${colour("fg-muted")}; padding: 6px 12px 6px 0; border-bottom: 1px solid ${colour("border")}; vertical-align: bottom; }
.to-table td { padding: 10px 12px 10px 0; border-bottom: 1px solid ${colour("border")}; vertical-align: top; }
.to-table td.to-break { min-width: 120px; }
.to-table .to-right { text-align: right; }
.to-table tbody th { padding: 10px 12px 10px 0; vertical-align: top; white-space: nowrap; }
.to-sums tbody th { padding: 6px 12px 6px 0; } .to-sums th:not(:first-child), .to-sums td { text-align: right; padding: 6px 0 6px 12px; white-space: nowrap; }
.to-page em { font-style: italic; }
.to-overview td.to-what { min-width: 200px; max-width: 340px; }
.to-overview td.to-file { min-width: 226px; max-width: 270px; }
.to-overview td.to-events { min-width: 130px; max-width: 200px; }
.to-overview td.to-doctor { min-width: 96px; max-width: 170px; }
.to-overview td.to-who { min-width: 130px; max-width: 240px; }
.to-name { font-weight: 650; }
.to-bars { width: 112px; height: 28px; display: block; }
.to-bar-c { fill: ${colour("green-solid")}; } .to-bar-f { fill: transparent; stroke: ${colour("red-solid")}; stroke-width: 1.6; } .to-bar-o, .to-bar-w { fill: ${colour("blue-solid")}; } .to-bar-none { fill: ${colour("border-emphasized")}; }
.to-meter { position: relative; height: 5px; width: 84px; border-radius: 3px; background: ${colour("bg-emphasized")}; margin-top: 4px; overflow: hidden; }
.to-meter span { position: absolute; inset: 0 auto 0 0; background: ${colour("green-solid")}; }
.to-meter.to-over span { background: ${colour("red-solid")}; }
.to-grid { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 14px; }
.to-half { grid-column: span 6; } .to-third { grid-column: span 4; } .to-two-thirds { grid-column: span 8; } .to-full { grid-column: 1 / -1; }
.to-facts { display: flex; flex-wrap: wrap; gap: 6px 28px; }
.to-facts dt { font-size: 12.5px; color: ${colour("fg-muted")}; } .to-facts dd { font-weight: 550; overflow-wrap: anywhere; }
.to-step { border-top: 1px solid ${colour("border")}; padding: 9px 0; }
.to-step:first-of-type { border-top: 0; }
.to-step-line { display: grid; grid-template-columns: minmax(150px, 1.6fr) 96px 2fr; gap: 12px; align-items: center; }
.to-step-bar { height: 12px; border-radius: 3px; background: ${colour("bg-emphasized")}; overflow: hidden; } .to-step-bar span { display: block; height: 100%; background: ${colour("blue-solid")}; }
.to-step:last-of-type .to-step-bar span { background: ${colour("green-solid")}; }
.to-step details { margin: 6px 0 0; } .to-step summary { cursor: pointer; font-size: 13px; color: ${colour("fg-muted")}; }
.to-reasons { width: 100%; margin-top: 6px; font-size: 13px; } .to-reasons td { padding: 4px 12px 4px 0; vertical-align: top; }
.to-stack { display: flex; height: 16px; border-radius: 4px; overflow: hidden; gap: 2px; margin: 6px 0 10px; }
.to-key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.to-chart { width: 100%; height: 190px; display: block; } .to-axis { display: flex; justify-content: space-between; font-size: 12px; color: ${colour("fg-muted")}; margin: 2px 0 10px; }
.to-strip { display: flex; flex-wrap: wrap; gap: 8px; } .to-strip li { list-style: none; border: 1px solid; border-radius: 8px; padding: 5px 10px; font-size: 13px; }
.to-code { display: block; font-family: ui-monospace, monospace; font-size: 12.5px; background: ${colour("bg-muted")}; border-radius: 6px; padding: 8px 10px; margin-top: 6px; overflow-wrap: anywhere; }
.to-foot { display: flex; gap: 12px; align-items: center; margin-top: 14px; }
.to-scroll { overflow-x: auto; }
.to-empty { padding: 56px 0; text-align: center; max-width: 560px; margin: 0 auto; }
.to-help { max-width: 980px; } .to-help h1, .to-help p, .to-help .to-scroll { margin-bottom: 12px; } .to-page code { font-family: ui-monospace, monospace; font-size: 0.93em; background: ${colour("bg-muted")}; border-radius: 4px; padding: 1px 4px; }
.to-empty h2 { font-size: 18px; }
@media (max-width: 1180px) { .to-half, .to-third, .to-two-thirds { grid-column: 1 / -1; } }
@media (max-width: 900px) {
  .to-page { padding: 14px 14px 40px; }
  .to-overview thead { position: absolute; clip-path: inset(50%); height: 1px; width: 1px; overflow: hidden; }
  .to-overview, .to-overview tbody { display: block; }
  .to-overview tr { display: grid; grid-template-columns: 1fr 1fr; gap: 10px 14px; border: 1px solid ${colour("border")}; border-radius: 10px; padding: 12px 14px; margin-bottom: 12px; background: ${colour("bg-panel")}; }
  .to-overview td { display: block; padding: 0; border: 0; min-width: 0 !important; max-width: none !important; text-align: left !important; }
  .to-overview td::before { content: attr(data-label); display: block; font-size: 12px; color: ${colour("fg-muted")}; }
  .to-overview td.to-wide { grid-column: 1 / -1; } .to-overview td.to-wide.to-bare::before { display: none; }
  .to-chips { flex-wrap: nowrap; overflow-x: auto; max-width: 100%; padding: 3px; } .to-chips .to-choice { white-space: nowrap; flex: none; }
  .to-axis span:not(:first-child, :last-child) { display: none; }
  .to-step-line { grid-template-columns: 1fr auto; } .to-step-bar { grid-column: 1 / -1; }
}
@media (prefers-reduced-motion: reduce) { .to-page * { transition: none !important; animation: none !important; } }
${palette}`;

export function addStyle() {
  if (document.getElementById("tiktok-offline-style")) return;
  const style = document.createElement("style");
  style.id = "tiktok-offline-style";
  style.textContent = STYLE;
  document.head.append(style);
}

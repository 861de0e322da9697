// The page in Airflow's menu and the tab on a DAG. Airflow finds the component by the plugin's name.
import { Advertiser } from "./advertiser.js";
import { Help } from "./help.js";
import { Overview } from "./overview.js";
import { h, useCallback, useLocalTimes, useMemo, useSearchParams } from "./parts.js";
import { addStyle } from "./style.js";

function Page({ dagId }) {
  const [query, setQuery] = useSearchParams();
  const [local, setLocal] = useLocalTimes();
  const wanted = useMemo(() => ({
    state: query.get("state") ?? "", search: query.get("search") ?? "", offset: Number(query.get("offset") ?? 0),
  }), [query]);
  const change = useCallback((next) => setQuery((before) => {
    const after = new URLSearchParams(before);
    for (const [name, value] of Object.entries(next)) value ? after.set(name, value) : after.delete(name);
    return after;
  }), [setQuery]);
  const help = query.get("help");
  if (help) {
    const rest = new URLSearchParams(query);
    rest.delete("help");
    return h("div", { className: "to-page" }, h(Help, { page: help, back: `?${rest}` }));
  }
  const shown = dagId ?? query.get("advertiser");
  return h("div", { className: "to-page" }, shown
    ? h(Advertiser, { dagId: shown, local, setLocal, back: !dagId })
    : h(Overview, { local, setLocal, wanted, change }));
}

addStyle();
globalThis["TikTok offline conversions"] = Page;
globalThis.AirflowPlugin = Page;

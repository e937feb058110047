// The style of a report: light and dark, on wide and narrow screens, on paper.
#pragma once

#include <string>
#include <string_view>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/report/colour.hpp"
#include "tenzo/io/report/drawing.hpp"

namespace tenzo::detail {

/// The colours by what they are for. Those of series, c0 to c7, were searched for the largest least difference to eyes
/// without red, green or blue cones (Machado, Oliveira, Fernandes 2009), at a contrast of at least 3 on their page.
inline constexpr std::string_view light_colours = R"(
  color-scheme: light;
  --page: #f6f7f9; --surface: #ffffff; --ink: #14181f; --soft: #525b68; --faint: #66707c;
  --rule: #e1e5ea; --grid: #e8ebef; --axis: #8a93a0; --accent: #3359c3; --tint: #eef2fc;
  --good: #0b7a5b; --good-tint: #e3f4ee; --bad: #b3391d; --bad-tint: #fbeae5; --blank: #d5d9de;
  --c0: #3359c3; --c1: #d65a40; --c2: #139378; --c3: #8e2072; --c4: #c68903; --c5: #1a9cc2; --c6: #4a318c;
  --c7: #70292a; --cm: #7d8693;
)";
inline constexpr std::string_view dark_colours = R"(
  color-scheme: dark;
  --page: #0e1218; --surface: #161b23; --ink: #eef1f5; --soft: #b3bcc8; --faint: #949eac;
  --rule: #2a323d; --grid: #262d38; --axis: #6d7785; --accent: #84abff; --tint: #1c2740;
  --good: #4fd3a5; --good-tint: #12312a; --bad: #ff9276; --bad-tint: #3b211c; --blank: #39414d;
  --c0: #6896f7; --c1: #fe9c4d; --c2: #38dac0; --c3: #c15f9d; --c4: #f9e179; --c5: #a3e8f8; --c6: #8567eb;
  --c7: #d04e59; --cm: #8b95a3;
)";

inline constexpr std::string_view page_rules = R"(
* { box-sizing: border-box; }
html { font-size: 16px; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.55;
  font-family: Inter, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Cantarell, Arial,
    "Liberation Sans", sans-serif; }
main, header, footer { width: min(1120px, 100% - 40px); margin-inline: auto; }
header { padding: 56px 0 8px; }
h1 { font-size: clamp(1.8rem, 4.2vw, 2.75rem); line-height: 1.12; letter-spacing: -0.022em; font-weight: 700;
  margin: 0; text-wrap: balance; }
.subtitle { font-size: 1.17rem; color: var(--soft); margin: 12px 0 0; max-width: 46em; text-wrap: pretty; }
nav { margin-top: 22px; font-size: .93rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 6px 22px; padding: 12px 0 0; margin: 0;
  border-top: 1px solid var(--rule); }
a { color: var(--accent); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; text-underline-offset: 3px; }
section { margin-top: 44px; }
h2 { font-size: 1.5rem; letter-spacing: -0.014em; line-height: 1.25; margin: 0 0 14px; font-weight: 680; }
h3 { font-size: 1.02rem; line-height: 1.35; margin: 0 0 12px; font-weight: 640; }
p { margin: 0 0 14px; max-width: 46em; }
code { font: .9em ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; background: var(--tint);
  padding: .1em .35em; border-radius: 5px; }
pre { font: .88rem/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  background: var(--surface); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 18px; margin: 0 0 18px;
  overflow-x: auto; }
footer { color: var(--faint); font-size: .88rem; padding: 40px 0 56px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 200px), 1fr)); gap: 14px;
  margin: 26px 0; }
.tile { background: var(--surface); border: 1px solid var(--rule); border-radius: 14px; padding: 16px 20px 15px;
  display: flex; flex-direction: column; }
.tile dt { color: var(--soft); font-size: .9rem; }
.tile dd { margin: 2px 0 0; }
.tile .figure { font-size: 1.7rem; line-height: 1.25; font-weight: 680; letter-spacing: -0.02em; }
.tile .note { font-size: .88rem; color: var(--faint); }
figure { margin: 0 0 22px; }
.chart, .images, .image, .table { background: var(--surface); border: 1px solid var(--rule); border-radius: 14px;
  padding: 22px 24px 20px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 22px;
  margin-bottom: 22px; }
.pair > figure { margin: 0; }
figcaption { color: var(--soft); font-size: .93rem; line-height: 1.5; margin-top: 14px; max-width: 54em; }
figcaption b { color: var(--ink); font-weight: 640; }
.scroll { overflow: auto hidden; }
.footnote { font-size: .88rem; color: var(--faint); margin: 12px 0 0; max-width: 60em; }
)";

inline constexpr std::string_view table_rules = R"(
.table table { border-collapse: collapse; width: 100%; font-size: .95rem; }
.table figcaption { margin: 0 0 10px; }
.table th, .table td { padding: 8px 14px; border-bottom: 1px solid var(--rule); vertical-align: top; }
.table tr > :first-child { padding-left: 4px; }
.table tr > :last-child { padding-right: 4px; }
thead th { color: var(--soft); font-weight: 600; font-size: .88rem; line-height: 1.35; vertical-align: bottom; }
.table thead tr:last-child > * { border-bottom: 1.5px solid var(--axis); }
.table .groups > * { border-bottom: 0; padding-bottom: 0; }
.groups span { display: block; text-align: center; padding-bottom: 4px; border-bottom: 1px solid var(--axis); }
tbody th { font-weight: 500; }
.table tbody tr:last-child > * { border-bottom: 0; }
.table tbody tr:hover > * { background: color-mix(in srgb, var(--tint) 55%, transparent); }
.table tbody .ours > * { background: var(--tint); font-weight: 600; }
.table tbody .ruled > * { border-top: 1.5px solid var(--axis); }
.l { text-align: left; }
.r { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.c { text-align: center; }
.best { font-weight: 740; color: var(--accent); }
.images table { border-spacing: 6px; margin: -6px; }
.images th { font-weight: 600; font-size: .88rem; color: var(--soft); padding: 2px 4px; }
.images th[scope=row] { text-align: right; padding-right: 10px; max-width: 11em; }
.images td { text-align: center; vertical-align: top; padding: 0; }
.images small { display: block; font-size: .8rem; color: var(--soft); line-height: 1.35; margin-top: 3px;
  font-variant-numeric: tabular-nums; }
img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
.images img { max-width: none; margin-inline: auto; }
.pixels { image-rendering: pixelated; }
)";

inline constexpr std::string_view claim_rules = R"(
.claims { background: var(--surface); border: 1px solid var(--rule); border-radius: 14px; margin-bottom: 22px;
  overflow: hidden; }
.tally { margin: 0; padding: 16px 24px; max-width: none; display: flex; flex-wrap: wrap; gap: 4px 18px;
  align-items: center; border-bottom: 1px solid var(--rule); color: var(--soft); }
.tally b { color: var(--ink); font-size: 1.12rem; margin-right: -.7em; }
.pips { display: inline-flex; gap: 4px; margin-left: auto; }
.pips i { width: 22px; height: 8px; border-radius: 4px; background: var(--good); }
.pips .fails { background: none; border: 1.5px solid var(--bad); }
.claims ul { list-style: none; margin: 0; padding: 0; }
.claim { display: grid; grid-template-columns: 84px minmax(0, 1fr) 300px; gap: 6px 20px; padding: 18px 24px; }
.claim + .claim { border-top: 1px solid var(--rule); }
.claim p { margin: 0; }
.claim .what b { color: var(--faint); font-weight: 640; margin-right: .35em; }
.claim.fails { background: color-mix(in srgb, var(--bad-tint) 55%, transparent); }
.reason { color: var(--soft); font-size: .93rem; padding-top: 6px; }
.claim.fails .reason { color: var(--bad); }
.outcome { display: flex; flex-direction: column; align-items: center; gap: 3px; text-align: center; font-size: .8rem;
  line-height: 1.2; font-weight: 600; }
.holds .outcome { color: var(--good); }
.fails .outcome { color: var(--bad); }
.disc { stroke-width: 1.6; }
.holds .disc { fill: var(--good); stroke: var(--good); }
.fails .disc { fill: none; stroke: var(--bad); }
.sign-on { fill: none; stroke-width: 2.4; stroke-linecap: round; stroke-linejoin: round; }
.holds .sign-on { stroke: var(--surface); }
.fails .sign-on { stroke: var(--bad); }
.measured .value b { font-size: 1.2rem; font-weight: 680; letter-spacing: -.01em; margin-right: .3em; }
.measured .value span, .spread { color: var(--soft); font-size: .88rem; }
.measured p { font-variant-numeric: tabular-nums; line-height: 1.4; }
.gauge { display: block; width: 100%; max-width: 300px; }
.rail { stroke: var(--rule); stroke-width: 2; stroke-linecap: round; }
.interval { stroke: currentColor; stroke-width: 5; stroke-linecap: round; opacity: .32; }
.gauge .point { fill: currentColor; stroke: var(--surface); stroke-width: 1.5; }
.holds .gauge { color: var(--good); }
.fails .gauge { color: var(--bad); }
)";

inline constexpr std::string_view plot_rules = R"(
.plot { display: block; width: 100%; height: auto; overflow: visible; }
.plot text { font-size: 12.5px; font-variant-numeric: tabular-nums; }
.plot .tick, .plot .note { fill: var(--soft); }
.plot .axis-title { font-size: 13px; fill: var(--ink); }
.plot .name, .plot .category, .plot .number { fill: var(--ink); }
.plot .category { font-size: 13px; }
.plot .halo { paint-order: stroke; stroke: var(--surface); stroke-width: 3.5px; stroke-linejoin: round; }
.axis { stroke: var(--axis); stroke-width: 1; }
.grid { stroke: var(--grid); stroke-width: 1; }
.grid.zero { stroke: var(--axis); }
.reference { stroke: var(--soft); stroke-width: 1.4; stroke-dasharray: 2 4; stroke-linecap: round; }
.line { fill: none; stroke: var(--c); stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.line.thin { stroke-width: 1.7; }
.line.dashed { stroke-dasharray: 7 5; }
.leader { fill: none; stroke: var(--c); stroke-width: 1.6; opacity: .75; }
.band { fill: var(--c); opacity: .17; }
.hill { fill: var(--c); opacity: .24; }
.bar { fill: var(--c); stroke: var(--surface); stroke-width: .7; }
.on-cell { font-size: 12.5px; }
.sign { fill: var(--c); stroke: var(--surface); stroke-width: .8; }
.whisker { fill: none; stroke: var(--c); stroke-width: 1.5; }
.error { stroke: var(--ink); stroke-width: 1.4; opacity: .75; }
.mark { stroke: var(--ink); stroke-width: 2.6; stroke-linecap: round; }
.cell { stroke: var(--surface); stroke-width: 1; }
.blank { fill: var(--blank); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 3px 20px; padding: 0; margin: 0 0 10px;
  font-size: .9rem; line-height: 1.4; }
.legend li { display: inline-flex; align-items: center; gap: 7px; cursor: default; }
.legend svg { flex: none; }
.series { transition: opacity .15s; }
.km { --c: var(--cm); }
.on-narrow { display: none; }
@media screen and (max-width: 720px) {
  .on-narrow { display: block; }
  .legend.on-narrow { display: flex; }
  .on-wide { display: none; }
  .chart, .images, .image, .table { padding: 16px 14px 14px; }
  header { padding-top: 32px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 10px; }
  .tile { padding: 12px 14px; }
  .tile .figure { font-size: 1.3rem; }
  .table th, .table td { padding: 7px 9px; }
  .claim { grid-template-columns: 68px minmax(0, 1fr); padding: 16px 14px; gap: 10px 12px; }
  .measured { grid-column: 2; }
}
@media print {
  @page { size: landscape; margin: 12mm; }
  html { font-size: 12.5px; }
  body { background: none; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main, header, footer { width: 100%; }
  header { padding-top: 0; }
  nav { display: none; }
  section { margin-top: 28px; }
  h2, h3, .table figcaption, thead { break-after: avoid; }
  figure, .claim, .tile, tr { break-inside: avoid; }
  .table { break-inside: auto; }
}
@media (prefers-reduced-motion: reduce) { .series { transition: none; } }
)";

/// The whole style sheet. On paper the colours are the light ones. The ramps of heat maps only where there are some.
TENZO_COMPILED std::string style_sheet(bool with_ramps);

#if TENZO_DEFINES(report)
TENZO_COMPILED std::string style_sheet(bool with_ramps) {
  std::string css = ":root {" + std::string(light_colours) +
                    "}\n@media screen and (prefers-color-scheme: dark) {\n:root {" + std::string(dark_colours) +
                    "}\n}\n";
  css += page_rules;
  css += table_rules;
  css += claim_rules;
  css += plot_rules;
  for (int i = 0; i <= palette_size; ++i) {  // pointing at one series lets the others step back
    const std::string k = colour_class(i < palette_size ? i : -1);
    if (i < palette_size) css += "." + k + " { --c: var(--c" + std::to_string(i) + "); }\n";
    css += ".chart:has(." + k + ":hover) .series:not(." + k + ") { opacity: .22; }\n";
  }
  if (with_ramps)
    css += ramp_rules(false) + "\n@media screen and (prefers-color-scheme: dark) {\n" + ramp_rules(true) + "}\n";
  return css;
}
#endif

}  // namespace tenzo::detail

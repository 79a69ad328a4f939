# SPDX-License-Identifier: Apache-2.0
"""The one style sheet of the report: light, dark, phone and paper. Nothing in it is loaded from anywhere."""

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#59636e;--line:#d9dee4;--good:#1a7f37;
--good-bg:#e6f6ea;--bad:#c4252d;--bad-bg:#fdecec;--warn:#9a6700;--warn-bg:#fff6da;--calm:#3b5f8a;--calm-bg:#e8f0fa;
--bar:#7a8796;--exclusive:#c4252d;--validate:#b7791f;--rows:#4a7fc1;--none:#bcc8d3;--unknown:#8a6bbf;
--back:#7d5ba6;--backup:#2f8f83}
@media (prefers-color-scheme:dark){:root{--bg:#12161b;--card:#1b2128;--ink:#e6eaee;--soft:#9aa5b1;--line:#323b45;
--good:#4cc26b;--good-bg:#14301d;--bad:#ff7b7b;--bad-bg:#3a1c1e;--warn:#e3b341;--warn-bg:#33290f;--calm:#8ab4e8;
--calm-bg:#1a2a3d;--bar:#8b98a7;--exclusive:#ff6b6b;--validate:#e3a23c;--rows:#6ea3e6;--none:#4d5a66;
--unknown:#ab8fe0;--back:#b08fdc;--backup:#4bb8a9}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:26px;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:19px;margin:0 0 6px}h3{font-size:15px;margin:18px 0 6px}
p{margin:0 0 10px}.intro,.where,footer{color:var(--soft)}.intro{max-width:80ch}
.where{margin:2px 0 18px;overflow-wrap:anywhere}
.banner{border-radius:12px;padding:16px 20px;margin:0 0 14px;border:1px solid;border-left-width:8px}
.banner strong{font-size:22px;display:block;line-height:1.3}
.banner p{margin:4px 0 0;overflow-wrap:anywhere}
.good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);background:var(--bad-bg)}
.warn{color:var(--warn);background:var(--warn-bg)}.calm{color:var(--calm);background:var(--calm-bg)}
.banner p,.banner .why{color:var(--ink)}
.cards{display:grid;grid-template-columns:repeat(3,1fr);gap:14px;margin-bottom:14px}
.card,section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 20px}
section{margin-top:14px}
.card h2{font-size:13px;letter-spacing:.03em;color:var(--soft);font-weight:600}
.card p{overflow-wrap:anywhere}.card p:last-child{margin:0}.lead{font-weight:650;font-size:17px}
.badge{display:inline-block;border-radius:99px;padding:1px 10px;font-size:13px;font-weight:600;white-space:nowrap}
code,pre,.code{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere;white-space:pre-wrap}
pre{margin:0 0 2px}details pre{margin:6px 0}
code{background:var(--bg);border:1px solid var(--line);border-radius:5px;padding:0 5px}
table{border-collapse:collapse;width:100%;font-size:14.5px}
th{text-align:left;color:var(--soft);font-size:12.5px;font-weight:600;padding:4px 14px 6px 0;
border-bottom:1px solid var(--line);white-space:nowrap}
td{padding:8px 14px 8px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}td:first-child{min-width:110px}
.one{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}.chart .name{min-width:0}
.quiet{color:var(--soft);font-size:13.5px}
details{margin-top:4px}summary{cursor:pointer;color:var(--calm);font-size:13.5px}
dl{display:grid;grid-template-columns:150px 1fr;gap:4px 18px;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.chart{margin-top:10px;display:grid;grid-template-columns:minmax(150px,26%) 1fr 84px;column-gap:14px;align-items:center;
font-size:14px}
.chart .band{grid-column:1/-1;font-size:12.5px;color:var(--soft);font-weight:600;padding-top:8px;margin-top:6px;
border-top:1px solid var(--line)}
.chart .name{overflow-wrap:anywhere;padding:4px 0}.chart .took{text-align:right;grid-column:3;color:var(--soft);
white-space:nowrap}.chart{grid-auto-flow:row dense}.chart svg{display:block;width:100%;grid-column:2}
.axis{grid-column:2;position:relative;height:18px;color:var(--soft);font-size:11.5px}
.axis span{position:absolute;white-space:nowrap}.axis span:last-child{transform:translateX(-100%)}
.axis span.mid{transform:translateX(-50%)}
.track{fill:var(--line);opacity:.35}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:10px 0 0;padding:0;list-style:none;font-size:13px;
color:var(--soft)}
.legend svg{width:14px;height:10px;margin-right:6px}
.f-bar{fill:var(--bar)}.f-exclusive{fill:var(--exclusive)}.f-validate{fill:var(--validate)}.f-rows{fill:var(--rows)}
.f-none{fill:var(--none)}.f-unknown{fill:var(--unknown)}.f-back{fill:var(--back)}.f-backup{fill:var(--backup)}
.f-failed{fill:var(--bad)}
footer{margin-top:22px;font-size:13px;overflow-wrap:anywhere}
@media (max-width:760px){main{padding:16px 12px 32px}.cards{grid-template-columns:1fr}
.card,section,.banner{padding:14px}.chart{grid-template-columns:1fr auto}.chart .name{grid-column:1}
.chart .took{grid-column:2}.chart svg{grid-column:1/-1}
.chart{grid-auto-flow:row}.axis{grid-column:1/-1}
thead{display:none}table,tbody,tr,td{display:block}tr{border-bottom:1px solid var(--line);padding:8px 0}
tr:last-child{border:0}td{border:0;padding:2px 0;display:grid;grid-template-columns:96px 1fr;gap:8px}
td::before{content:attr(data-label);color:var(--soft);font-size:12.5px;padding-top:2px}
td>*{min-width:0}td:has(>div:empty){display:none}dl{grid-template-columns:1fr}dt{margin-top:6px}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb}body{font-size:12px}main{padding:0}
section,.card,tr,.banner{break-inside:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""

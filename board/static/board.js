// The live part of the board. Pages work without it: each change is a form. No framework, no build step.
"use strict";
(() => {
const body = document.body, page = body.dataset.page, key = body.dataset.key;
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
const cardOf = (id) => document.getElementById("c-" + id);
const idOf = (card) => card.id.slice(2);
const parse = (html) => { const t = document.createElement("template"); t.innerHTML = html; return t.content; };
const still = matchMedia("(prefers-reduced-motion: reduce)"), phone = matchMedia("(max-width: 40rem)");
const store = {
	get(name) { try { return localStorage.getItem(key + " " + name); } catch { return null; } },
	set(name, value) { try { localStorage.setItem(key + " " + name, value); } catch { /* a browser that keeps nothing */ } },
};
body.classList.add("script");
$("#keys").hidden = false;

// ---- Times: ages grow, leases run out, clocks are the reader's own.

function span(seconds) {
	const s = Math.max(0, Math.round(seconds)), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
	if (s < 60) return s + "s";
	if (m < 60) return m + "m";
	if (h < 24) return h + "h" + (m % 60 ? " " + (m % 60) + "m" : "");
	return d + "d" + (h % 24 ? " " + (h % 24) + "h" : "");
}
const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
function ages() {
	const now = Date.now() / 1000;
	for (const t of $$("time[data-t]")) {
		const age = now - t.dataset.t;
		write(t, span(age));
		if (t.className) {
			const old = "a" + (age >= 259200 ? 3 : age >= 86400 ? 2 : age >= 3600 ? 1 : 0);
			if (t.className !== old) t.className = old;
		}
	}
	for (const t of $$("time[data-u]")) write(t, span(t.dataset.u - now));
}
function clocks(from) {
	const today = new Date().toDateString();
	for (const t of $$("time[data-c]", from)) {
		const at = new Date(t.dataset.c * 1000), time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
		write(t, at.toDateString() === today ? time : at.toLocaleDateString([], { day: "numeric", month: "short" }) + " " + time);
		t.title = at.toLocaleString();
	}
}
setInterval(() => { if (!document.hidden) ages(); }, 2000);

// ---- The stream. One page of a browser streams: the one that holds a lock. It passes on to the others.

let mark = body.dataset.mark, latest = "", heardAt = Date.now(), stream = null, leads = false, catching = null, channel = null;
const number = (m) => Number(m.slice(m.indexOf("-") + 1)), run = (m) => m.slice(0, m.indexOf("-"));

function show(state, text) {
	const live = $("#live");
	if (live.dataset.state !== state || state === "stale") { live.dataset.state = state; write($("span", live), text); }
}
function heard() { heardAt = Date.now(); show("live", "live"); }
function lost(text) {
	const since = new Date(heardAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
	if (text) show("stale", text); else if (Date.now() - heardAt > 20000) show("stale", "stale since " + since); else show("again", "reconnecting");
}
function deliver({ kind, id, data }) {
	if (kind === "down") return lost();
	if (kind === "ask") { if (leads && stream && stream.readyState === 1) pass({ kind: "beat" }); return; }
	heard();
	if (kind === "hello") {
		if (data.reset) refresh(); else if (!leads) catchUp();
	} else if (kind === "change") {
		latest = id;
		if (run(id) !== run(mark) || number(id) > number(mark) + 1) catchUp();
		else if (number(id) === number(mark) + 1) { mark = id; apply(data); }
	}
}
function pass(event) { if (channel) channel.postMessage(event); }
function lead() {
	leads = true;
	stream = new EventSource("/events?since=" + encodeURIComponent(mark));
	for (const kind of ["hello", "change", "beat"]) {
		stream.addEventListener(kind, (e) => { const event = { kind, id: e.lastEventId, data: JSON.parse(e.data) }; deliver(event); pass(event); });
	}
	stream.onerror = () => { lost(); pass({ kind: "down" }); if (stream && stream.readyState === 2) { stream = null; setTimeout(again, 2000); } };
}
function again() { if (leads && !stream) lead(); }
function stop() { if (stream) stream.close(); stream = null; }
// behind asks for what was told while the page was read: it is on the page only if the page was made after it.
function behind() { if (run(latest) === run(mark) && number(latest) > number(mark)) setTimeout(catchUp); }
// catchUp asks for what this page has missed.
function catchUp() {
	catching ||= (async () => {
		try {
			const r = await ask("/missed?since=" + encodeURIComponent(mark));
			heard();
			if (r.reset) return await refresh();
			const first = number(r.mark) - r.messages.length;
			r.messages.forEach((m, i) => { if (first + i + 1 > number(mark)) apply(m); });
			if (run(r.mark) === run(mark) && number(r.mark) > number(mark)) mark = r.mark;
			behind();
		} catch (e) { lost(e.status === 401 ? "not let in any more: run huskies-mcp board" : ""); } finally { catching = null; }
	})();
	return catching;
}
async function ask(url) {
	const r = await fetch(url, { headers: { Accept: "application/json" } });
	if (!r.ok) throw Object.assign(new Error(url), { status: r.status });
	return r.json();
}
if (navigator.locks && window.BroadcastChannel) {
	channel = new BroadcastChannel("huskies " + key);
	channel.onmessage = (e) => deliver(e.data);
	navigator.locks.request("huskies " + key, () => { lead(); return new Promise(() => {}); });
	pass({ kind: "ask" });
} else { // each page streams, while it is looked at
	lead();
	document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else if (!stream) lead(); });
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) { ages(); catchUp(); } });
addEventListener("pageshow", (e) => { if (e.persisted) catchUp(); });
setInterval(() => {
	if (Date.now() - heardAt < 38000 || document.hidden && !channel) return;
	if (leads) { stop(); lost(); lead(); } else catchUp();
}, 5000);

// ---- What happened, on this page.

function apply(u) {
	if (u.trouble) return show("stale", u.trouble);
	if (u.reset) return refresh();
	if (u.needs) waiting(u.waiting);
	if (u.hub !== undefined) { $("#hub").textContent = u.hub; $("#hub").hidden = !u.hub; }
	if (page === "board") keeping(() => onBoard(u));
	else if (page === "story") {
		const id = $("main").dataset.story, ids = [...(u.cards || []).map((c) => c.id), ...u.gone || []];
		if (ids.includes(id)) refresh();
		else if (ids.some((other) => $(`.graph [data-id="${CSS.escape(other)}"]`))) soon(1000);
	}
	else if (page === "activity") onActivity(u.events || []);
	else if (page === "charts") soon(2000);
	else if (page === "settings" && (u.events || []).some((e) => e.story.startsWith("huskies."))) refresh();
}
function waiting(n) {
	document.title = document.title.replace(/^\(\d+\) /, "").replace(/^/, n ? "(" + n + ") " : "");
	$("#icon").href = "/icon.svg?n=" + n;
}
// keeping changes the page and leaves a person where they were: lists stay scrolled, and what took the place of the
// element that had the focus has it now. That is the same link or button, else the one beside it.
const focusable = "a[href], button, input:not([type=hidden]), select, textarea, summary";
const alike = (a, b) => a.tagName === b.tagName && ["href", "name", "aria-label"].every((n) => a.getAttribute(n) === b.getAttribute(n)) && a.form?.getAttribute("action") === b.form?.getAttribute("action");
function keeping(change) {
	const had = document.activeElement, around = [], scrolled = [".agents", ".needs ul", "#board"].map((s) => [s, $(s)?.scrollLeft, $(s)?.scrollTop]);
	for (let e = had?.closest("[id]"); e; e = e.parentElement?.closest("[id]")) around.push([e.id, $$(focusable, e).indexOf(had)]);
	change();
	for (const [s, left, top] of scrolled) if (left || top) $(s)?.scrollTo({ left, top, behavior: "instant" });
	if (!had || had.isConnected) return;
	for (const [id, index] of around) {
		const now = document.getElementById(id), all = now ? $$(focusable, now).filter((e) => e.checkVisibility()) : [];
		const next = all.find((e) => alike(e, had)) || all[Math.min(Math.max(index, 0), all.length - 1)];
		if (next) return next.focus({ preventScroll: true });
	}
}
function needs(change) { // the list stays shut if a person shut it
	const shut = $("#needs details") && !$("#needs details").open && !$("#needs .none");
	change();
	if (shut) $("#needs details").open = false;
}
let later = 0;
function soon(ms = 300) { clearTimeout(later); later = setTimeout(refresh, ms); }
function onBoard(u) {
	if (u.agents) $("#agents").innerHTML = u.agents;
	if (u.needs) needs(() => { $("#needs").innerHTML = u.needs; });
	if ($("#board").hasAttribute("data-narrow")) { if (u.cards || u.gone) soon(); return; }
	for (const [stage, html] of Object.entries(u.heads || {})) head(stage, html);
	for (const id of u.gone || []) cardOf(id)?.remove();
	let left = u.cards || [], before;
	do { before = left.length; left = left.filter((c) => !place(c)); } while (left.length && left.length < before);
	for (const c of left) place(c, true);
}
function head(stage, html) {
	const at = document.getElementById("head-" + stage);
	if (!at) return soon(); // a stage that the page does not have
	at.innerHTML = html;
	at.closest(".col").classList.toggle("empty", $(".count", at).textContent.startsWith("0") && !at.closest(".shut"));
}
// place puts a card where it belongs, and reports whether it could: the card behind it must be there first. At
// last one whose place is not loaded is left out.
function place(c, last) {
	const old = cardOf(c.id), list = $("#s-" + CSS.escape(c.stage) + " .cards"), next = c.before ? cardOf(c.before) : null;
	let to = null;
	if (!list) { old?.remove(); return true; }
	if (next && next.parentNode === list) to = next;
	else if (c.before && !(old && old.parentNode === list && !old.nextElementSibling && list.dataset.more)) {
		if (last) old?.remove();
		return false;
	} else if (!c.before && list.dataset.more && !(old && old.parentNode === list && !old.nextElementSibling)) { old?.remove(); return true; }
	const card = parse(c.html).firstElementChild, was = old?.getBoundingClientRect();
	const stays = old && old.parentNode === list && old.nextElementSibling === to;
	list.insertBefore(card, to);
	old?.remove();
	if (!stays) { card.classList.add("new"); fly(card, was); }
	return true;
}
function fly(card, was) {
	if (!was || still.matches || document.hidden) return;
	const now = card.getBoundingClientRect();
	card.animate([{ transform: `translate(${was.x - now.x}px,${was.y - now.y}px)` }, { transform: "none" }], { duration: 350, easing: "ease-out" });
}
// newest returns the row of the newest line: the page has all up to it, and may hear of some of them again.
const newest = () => Number($(".event")?.dataset.n || 0);
let shown = newest();
function onActivity(events) {
	const list = $("#events"), want = list.dataset;
	if (!("first" in want)) return;
	for (const e of events) {
		if (want.agent && want.agent !== e.agent || want.kind && want.kind !== e.kind || want.story && want.story !== e.story && want.story !== e.story.split("_")[0]) continue;
		const line = parse(e.html).firstElementChild;
		if (Number(line.dataset.n) > shown) list.prepend(line);
	}
	clocks(list);
}
// refresh reads the page anew and puts in what differs. What a person is typing stays.
let refreshing = null;
function refresh() {
	refreshing ||= (async () => {
		try {
			const r = await fetch(location.href, { headers: { Accept: "text/html" } });
			if (r.status === 401) return lost("not let in any more: run huskies-mcp board");
			if (r.status >= 500) throw r;
			const fresh = new DOMParser().parseFromString(await r.text(), "text/html");
			if (!fresh.body.dataset.mark) return location.reload();
			mark = fresh.body.dataset.mark;
			document.title = fresh.title;
			$("#icon").href = $("#icon", fresh).getAttribute("href");
			keeping(() => needs(() => swap(fresh)));
			heard();
			behind();
		} catch { lost(); soon(2000); } finally { refreshing = null; }
	})();
	return refreshing;
}
// middle scrolls the drawing of dependencies so that the story of the page is in the middle, or to where it was.
function middle(at) {
	const graph = $(".graph"), own = $(".graph .box.own");
	if (!graph || !own) return;
	const g = graph.getBoundingClientRect(), o = own.getBoundingClientRect();
	graph.scrollTo(at ? at.left : o.left - g.left - (g.width - o.width) / 2, at ? at.top : o.top - g.top - (g.height - o.height) / 2);
}
const typed = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select") || $$("input, textarea", part).some((e) => e.type !== "hidden" && e.value !== e.defaultValue);
function swap(fresh) {
	const graph = $(".graph"), at = graph && { left: graph.scrollLeft, top: graph.scrollTop };
	const scrolls = $$(".col").map((c) => [c.id, $(".cards", c)?.scrollTop || 0]);
	for (const part of { board: ["#agents", "#needs", "#board"], story: ["article", ".beside", "aside"], activity: ["#events"], charts: ["main"], settings: ["main"] }[page] || []) {
		const old = $(part), now = $(part, fresh);
		if (!old || !now) { if ((part === "article" || page === "story" && part === ".beside") && !typed(body)) return location.reload(); continue; }
		const busy = (part === "aside" || page === "settings") && typed(old);
		if (busy || page === "charts" && ($("details[open]", old) || old.contains(document.activeElement))) continue;
		if ($("#edit[open]", old) && $("#edit", now)) $("#edit", now).open = true;
		old.replaceWith(document.adoptNode(now));
	}
	if (page === "story") middle(at);
	for (const [id, top] of scrolls) { const list = $("#" + CSS.escape(id) + " .cards"); if (list) list.scrollTop = top; }
	clocks(document); ages(); tabs();
	shown = newest();
}

// ---- Deeds: what a person changes.

let lastUndo = null, before = null; // where the focus was before it went to a toast
$("#toasts").addEventListener("focusin", (e) => { if (e.relatedTarget && !e.relatedTarget.closest("#toasts")) before = e.relatedTarget; });
function away(toast) {
	const had = toast.contains(document.activeElement);
	toast.remove();
	if (had) ($("#toasts button") || (before?.isConnected ? before : $(".card a, main a, main button")))?.focus({ preventScroll: true });
}
function toast(text, { bad = false, undo = null } = {}) {
	const t = document.createElement("p");
	t.className = "toast" + (bad ? " bad" : "");
	t.append(Object.assign(document.createElement("span"), { textContent: text }));
	if (undo) {
		lastUndo = () => { away(t); lastUndo = null; deed(undo.url, undo.fields); };
		t.append(Object.assign(document.createElement("button"), { type: "button", textContent: "Undo", onclick: lastUndo }));
	}
	const x = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
	x.onclick = () => away(t);
	t.append(x);
	$("#toasts").append(t);
	setTimeout(() => { if (!t.matches(":hover, :focus-within")) t.remove(); }, 12000);
}
async function post(url, fields) {
	const form = new URLSearchParams(fields);
	form.set("form", body.dataset.form);
	try {
		const r = await fetch(url, { method: "POST", body: form, headers: { Accept: "application/json" } });
		return { ok: r.ok, data: r.headers.get("Content-Type")?.startsWith("application/json") ? await r.json() : { error: "The board refused this.", next: "Load the page again." } };
	} catch { return { ok: false, data: { error: "The board cannot be reached. Nothing was changed.", next: "Is huskies-mcp board still running?" } }; }
}
// deed sends a change. What is refused is said at the element.
async function deed(url, fields, at) {
	const { ok, data } = await post(url, fields);
	if (ok) { toast([data.said, ...data.warnings || []].join(" "), { undo: data.undo }); if (page === "story") refresh(); return data; }
	if (data.code === "held" && data.rev) { override(url, fields, data, at); return null; }
	const form = at?.closest("form"), card = at?.closest(".card");
	if (form) atForm(form, data); else if (card?.isConnected) atCard(card, data); else toast(data.error + " " + (data.next || ""), { bad: true });
	return null;
}
const problem = (data) => Object.assign(document.createElement("p"), { className: "problem", textContent: data.error + " " + (data.next || "") });
function atForm(form, data) {
	$$(".problem, .theirs", form).forEach((e) => e.remove());
	const p = problem(data);
	p.setAttribute("role", "alert");
	form.prepend(p);
	const field = data.field && form.elements[data.field];
	if (data.theirs !== undefined && field) {
		const theirs = Object.assign(document.createElement("div"), { className: "theirs", textContent: data.theirs, tabIndex: 0 });
		theirs.setAttribute("aria-label", "What the other person or agent wrote");
		p.after(theirs);
		form.elements["was_" + data.field].value = data.was; // the next save is about this state
	}
	(field || p).focus?.();
	p.scrollIntoView({ block: "nearest" });
}
function atCard(card, data) {
	$(".problem", card)?.remove();
	const p = problem(data);
	p.setAttribute("role", "alert");
	card.append(p);
	card.scrollIntoView({ block: "nearest" });
	setTimeout(() => p.remove(), 12000);
}
// present opens a dialog. When it closes, the browser gives the focus back, but not to an element that was replaced
// meanwhile: back finds where it goes then.
function present(dialog, back) {
	if (dialog.open) return; // something else in the dialog that a person has opened
	dialog.showModal();
	dialog.onclose = () => { if (document.activeElement === body || dialog.contains(document.activeElement)) (back() || $(".card a, main a, main button"))?.focus(); };
}
const linkOf = (card) => () => cardOf(idOf(card))?.querySelector("a");
// override asks whether to take the story from who holds it.
function override(url, fields, data, at) {
	const dialog = $("#menu");
	dialog.innerHTML = '<form class="edit"><h2></h2><p class="hint"></p><label>Why <textarea name="reason" rows="3" required maxlength="1024"></textarea></label><p><button class="button danger">Take it and go on</button> <button type="button" class="button" data-close>Leave it</button></p></form>';
	write($("h2", dialog), data.error);
	write($(".hint", dialog), `If you go on, the claim of ${data.holder} ends. When ${data.holder} next writes to this story, it is refused and told that you took it. What it is doing to files at this moment goes on until then. Your reason stands in the notes.`);
	$("form", dialog).onsubmit = async (e) => {
		e.preventDefault();
		const all = new URLSearchParams(fields);
		all.set("override", "1"); all.set("rev", data.rev); all.set("why", e.target.elements.reason.value);
		dialog.close();
		await deed(url, all);
	};
	present(dialog, at?.matches(".card") ? linkOf(at) : () => $("aside button"));
	$("textarea", dialog).focus();
}
async function menu(card, focus) {
	const dialog = $("#menu");
	if (!dialog) return;
	const r = await fetch("/story/" + idOf(card) + "/menu").catch(() => null);
	if (!r?.ok) return toast("The menu cannot be shown: is the board still running?", { bad: true });
	dialog.innerHTML = await r.text();
	present(dialog, linkOf(card));
	$(focus || "select, button", dialog)?.focus();
}
async function add(url) {
	const dialog = $("#menu"), r = await fetch(url).catch(() => null);
	if (!dialog || !r?.ok) { location.href = url; return; }
	dialog.replaceChildren(...$("main", new DOMParser().parseFromString(await r.text(), "text/html")).children);
	dialog.append(parse('<p><button type="button" class="button" data-close>Close</button></p>'));
	present(dialog, () => $(`a[href="${url}"]`));
	$("input[name=name]", dialog)?.focus();
}
document.addEventListener("submit", async (e) => {
	const form = e.target;
	if (form.id === "filter") { e.preventDefault(); narrow(form); return; }
	if (!form.hasAttribute("data-deed")) return;
	e.preventDefault();
	const button = e.submitter, path = new URL(form.action).pathname, dialog = form.closest("dialog");
	if (button) button.disabled = true;
	const done = await deed(path, new FormData(form), form);
	if (button) button.disabled = false;
	if (!done) return;
	if (dialog) dialog.close();
	if (page === "add" || page === "story" && path.endsWith("/delete")) { location.href = page === "add" ? "/story/" + done.id : "/"; return; }
	if (path.endsWith("/restore") && !$("main").dataset.story) { location.reload(); return; }
	if (dialog) return;
	const forms = () => $$("main form[data-deed]"), at = forms().indexOf(form);
	form.reset();
	form.closest("details")?.removeAttribute("open");
	document.activeElement.blur();
	await refresh();
	const next = forms()[Math.min(at, forms().length - 1)], shut = next?.closest("details:not([open])");
	if (next && document.activeElement === body) $(shut ? "summary" : "button", shut || next).focus({ preventScroll: true });
});
document.addEventListener("click", (e) => {
	const button = e.target.closest("button, a");
	if (!button) return;
	if (button.hasAttribute("data-close")) button.closest("dialog").close();
	else if (button.id === "keys") present($("#help"), () => button);
	else if (button.matches(".card > button")) menu(button.closest(".card"));
	else if (button.matches(".more")) more(button.closest(".col"));
	else if (button.matches("#new, .plus") && !e.ctrlKey && !e.metaKey) { e.preventDefault(); add(button.getAttribute("href")); }
	else if (button.matches(".tabs a")) { e.preventDefault(); $(button.getAttribute("href")).scrollIntoView({ inline: "start", block: "nearest", behavior: still.matches ? "auto" : "smooth" }); }
});

// ---- Columns: filter, more cards, empty ones, tabs on a phone.

function narrow(form) {
	const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
	history.replaceState(null, "", "/" + (query.size ? "?" + query : ""));
	return refresh();
}
const filter = page === "board" && $("#filter");
if (filter) {
	let typing = 0;
	filter.addEventListener("input", (e) => { if (e.target.name) { clearTimeout(typing); typing = setTimeout(() => narrow(filter), 250); } });
	if (phone.matches && !$("#board").hasAttribute("data-narrow")) $(".filters").open = false;
	const empty = $("#hide-empty");
	empty.checked = store.get("hide-empty") === "1";
	empty.onchange = () => { store.set("hide-empty", empty.checked ? "1" : ""); body.classList.toggle("hide-empty", empty.checked); };
	body.classList.toggle("hide-empty", empty.checked);
}
async function more(column) {
	const list = $(".cards", column), button = $(".more", column), from = list.dataset.more;
	if (!from || column.loading) return;
	column.loading = true;
	const query = new URLSearchParams(location.search);
	query.set("column", column.dataset.stage); query.set("after", from);
	try {
		const r = await ask("/cards?" + query);
		if (list.dataset.more !== from) return;
		const cards = parse(r.html);
		for (const c of [...cards.children]) { if (cardOf(idOf(c))) c.remove(); }
		list.append(cards);
		list.dataset.more = r.more;
		button.hidden = !r.more;
	} catch { soon(); } finally { column.loading = false; }
}
document.addEventListener("scroll", (e) => {
	if (e.target.matches?.(".cards")) { if (e.target.scrollTop + e.target.clientHeight > e.target.scrollHeight - 600) more(e.target.closest(".col")); return; }
	if (e.target.id === "board") tabs();
	if (e.target === document && phone.matches) for (const b of $$(".more:not([hidden])")) { const r = b.getBoundingClientRect(); if (r.top < innerHeight + 400 && r.left >= 0 && r.left < innerWidth) more(b.closest(".col")); }
}, { capture: true, passive: true });
function tabs() { // marks the column that is in view, where one is
	if (!phone.matches) return;
	const left = (c) => Math.abs(c.getBoundingClientRect().left), columns = $$(".col:not(.shut)").sort((a, b) => left(a) - left(b));
	for (const a of $$(".tabs a")) { if (a.hash === "#" + columns[0]?.id) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current"); }
}

// ---- Keys. Arrows go from card to card; single keys can be turned off (WCAG 2.2, 2.1.4).

const keysOn = $("#keys-on");
keysOn.checked = store.get("keys") !== "off";
keysOn.onchange = () => store.set("keys", keysOn.checked ? "on" : "off");
const arrows = { ArrowUp: "k", ArrowDown: "j", ArrowLeft: "h", ArrowRight: "l" };
function go(card, to) {
	if (to === "j" || to === "k") { const next = to === "j" ? card.nextElementSibling : card.previousElementSibling; next?.matches(".card") && $("a", next).focus(); return; }
	const columns = $$(".col:not(.shut)").filter((c) => $(".card", c)), at = columns.indexOf(card.closest(".col")), cards = $$(".card", columns[at + (to === "l" ? 1 : -1)] || document.createElement("p"));
	const index = [...card.parentNode.children].indexOf(card);
	cards.length && $("a", cards[Math.min(index, cards.length - 1)]).focus();
}
function shift(card, to) {
	const id = idOf(card), fields = {};
	if (to === "j" || to === "k") {
		const other = to === "j" ? card.nextElementSibling : card.previousElementSibling;
		if (!other?.matches(".card")) return;
		fields.place = (to === "j" ? "after:" : "before:") + idOf(other);
	} else {
		const columns = $$(".col"), next = columns[columns.indexOf(card.closest(".col")) + (to === "l" ? 1 : -1)];
		if (!next) return;
		fields.stage = next.dataset.stage;
	}
	deed("/story/" + id + "/move", fields, card);
}
document.addEventListener("keydown", (e) => {
	if (e.key === "Escape") { body.classList.add("no-tips"); return; }
	if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && e.target.matches("textarea")) { e.target.form.requestSubmit(); return; }
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, dialog, summary, [contenteditable]")) return;
	const card = document.activeElement?.closest(".card"), single = keysOn.checked && !e.shiftKey, writes = !body.hasAttribute("data-readonly");
	const to = arrows[e.key] || (single && "hjkl".includes(e.key) ? e.key : "");
	if (to && card) { e.preventDefault(); body.classList.remove("no-tips"); if (e.shiftKey) { if (writes) shift(card, to); } else go(card, to); return; }
	if (to && !arrows[e.key] && $(".card")) { $(".card a").focus(); return; }
	if (!keysOn.checked) return;
	const does = { m: () => card && menu(card), b: () => card && menu(card, 'form[action$="/block"] textarea, form[action$="/unblock"] button'), n: () => card && menu(card, "[name=note]"), u: () => lastUndo?.(), a: () => add("/add") };
	if (e.key === "?") present($("#help"), card ? linkOf(card) : () => null);
	else if (e.key === "/" && $("[role=search] input")) { e.preventDefault(); $("[role=search] input").focus(); }
	else if (single && writes && does[e.key]) { e.preventDefault(); does[e.key](); }
});
document.addEventListener("pointermove", () => body.classList.remove("no-tips"), { passive: true });

// ---- Drag: by mouse at once, by finger after a moment's rest. The menu and the keys do the same.

let drag = null;
document.addEventListener("dragstart", (e) => { if (e.target.closest(".card")) e.preventDefault(); });
document.addEventListener("touchmove", (e) => { if (drag?.ghost) e.preventDefault(); }, { passive: false });
document.addEventListener("contextmenu", (e) => { if (drag?.ghost) e.preventDefault(); });
document.addEventListener("pointerdown", (e) => {
	const card = e.target.closest?.(".card");
	if (!card || e.button || !e.isPrimary || e.target.closest("button") || page !== "board" || body.hasAttribute("data-readonly")) return;
	drag = { card, id: e.pointerId, x: e.clientX, y: e.clientY };
	if (e.pointerType !== "mouse") { drag.touch = true; drag.timer = setTimeout(() => drag && lift(drag.x, drag.y), 400); }
});
document.addEventListener("pointermove", (e) => {
	if (!drag || e.pointerId !== drag.id) return;
	if (!drag.ghost) {
		if (Math.hypot(e.clientX - drag.x, e.clientY - drag.y) < 6) return;
		if (drag.touch) return drop(true);
		lift(e.clientX, e.clientY);
	}
	over(e.clientX, e.clientY);
});
document.addEventListener("pointerup", (e) => { if (drag && e.pointerId === drag.id) drop(false); });
document.addEventListener("pointercancel", () => drop(true));
document.addEventListener("keydown", (e) => { if (drag?.ghost && e.key === "Escape") { e.stopPropagation(); drop(true); } }, true);
document.addEventListener("click", (e) => { if (drag === "done") { e.preventDefault(); e.stopPropagation(); } drag = null; }, true);
function lift(x, y) {
	const { card } = drag, r = card.getBoundingClientRect();
	drag.ghost = card.cloneNode(true);
	drag.ghost.removeAttribute("id");
	drag.ghost.classList.add("ghost");
	drag.ghost.style.width = r.width + "px";
	drag.dx = drag.x - r.x; drag.dy = drag.y - r.y;
	drag.line = Object.assign(document.createElement("li"), { className: "drop" });
	drag.line.setAttribute("aria-hidden", "true");
	card.classList.add("dragging");
	body.append(drag.ghost);
	over(x, y);
}
function over(x, y) {
	drag.ghost.style.transform = `translate(${x - drag.dx}px,${y - drag.dy}px)`;
	const column = document.elementFromPoint(x, y)?.closest(".col"), list = column && $(".cards", column);
	drag.column = column;
	if (!list) return drag.line.remove();
	const next = [...list.children].find((c) => c.matches(".card") && c !== drag.card && y < c.getBoundingClientRect().top + c.offsetHeight / 2);
	list.insertBefore(drag.line, next || null);
	const r = list.getBoundingClientRect(), b = $("#board").getBoundingClientRect();
	if (y < r.top + 40) list.scrollTop -= 12; else if (y > r.bottom - 40) list.scrollTop += 12;
	if (x < b.left + 40) $("#board").scrollLeft -= 16; else if (x > b.right - 40) $("#board").scrollLeft += 16;
}
function drop(cancel) {
	const d = drag;
	if (!d || d === "done") return;
	clearTimeout(d.timer);
	drag = null;
	if (!d.ghost) return;
	if (!cancel) { drag = "done"; setTimeout(() => { drag = null; }); }
	const at = d.line.parentNode, sibling = (from, step) => { let s = from[step]; while (s && (s === d.card || !s.matches(".card"))) s = s[step]; return s; };
	const next = at && sibling(d.line, "nextElementSibling"), before = at && sibling(d.line, "previousElementSibling");
	const same = at === d.card.parentNode && next === sibling(d.card, "nextElementSibling");
	d.ghost.remove(); d.line.remove();
	d.card.classList.remove("dragging");
	if (cancel || !d.column || same) return;
	const fields = { stage: d.column.dataset.stage };
	if (next) fields.place = "before:" + idOf(next); else if (before) fields.place = "after:" + idOf(before);
	deed("/story/" + idOf(d.card) + "/move", fields, d.card);
}

// ---- At the start.

if (page === "activity") { // a line between what is new and what this browser has shown before
	const list = $("#events"), last = Number(store.get("seen") || 0), old = $$(".event").find((e) => Number(e.dataset.n) <= last), first = $(".event");
	if (last && "first" in list.dataset && first && old !== first) {
		const line = Object.assign(document.createElement("li"), { className: "since", textContent: "since you last looked" });
		if (old) old.before(line); else list.append(line);
	}
	const keep = () => { const top = $(".event"); if (top && "first" in list.dataset && !list.dataset.agent && !list.dataset.story && !list.dataset.kind) store.set("seen", Math.max(Number(store.get("seen") || 0), Number(top.dataset.n))); };
	addEventListener("pagehide", keep);
	document.addEventListener("visibilitychange", () => { if (document.hidden) keep(); });
}
clocks(document); ages();
requestAnimationFrame(() => { tabs(); middle(); }); // they need the layout, which the browser makes by then
})();

// The Caption tab's few things that gradio cannot do: keys, paste, copy, downloads, bars, and the memory of choices.
// Every name begins with clipcap_, but for switch_to_clipcap, which hosts call when a gallery sends a picture here.
// What is done to a picture before it is uploaded is in clipcap_shrink.js.

const clipcap_STORE = "clipcap";

function clipcap_app() {
    return typeof gradioApp === "function" ? gradioApp() : document;
}

function clipcap_find(id) {
    return clipcap_app().querySelector("#clipcap_" + id);
}

function clipcap_visible() {
    const root = clipcap_find("root");
    return root !== null && root.offsetParent !== null;
}

// gradio puts an element's id on the button itself or, in some versions, on a box around it
function clipcap_button(id) {
    const found = clipcap_find(id);
    return found === null || found.tagName === "BUTTON" ? found : found.querySelector("button");
}

function clipcap_press(ids) {
    for (const id of ids) {
        const button = clipcap_button(id);
        if (button !== null && !button.disabled && button.offsetParent !== null) {
            button.click();
            return true;
        }
    }
    return false;
}

function clipcap_set(id, text) {
    const area = clipcap_find(id)?.querySelector("textarea, input");
    if (area) {
        area.value = text;
        area.dispatchEvent(new Event("input", { bubbles: true }));
    }
}

function clipcap_copy(text) {
    const fallback = () => {
        const area = document.createElement("textarea");
        area.value = text;
        document.body.appendChild(area);
        area.select();
        document.execCommand("copy");
        area.remove();
    };
    if (navigator.clipboard && window.isSecureContext) {
        navigator.clipboard.writeText(text).catch(fallback);
    } else {
        fallback();
    }
}

function clipcap_download(payload) {
    const { name, data } = JSON.parse(payload);
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Open one of the host's own tabs and let it count its prompt's tokens again.
function clipcap_show(target) {
    const open = window["switch_to_" + target];
    if (typeof open === "function") {
        open();
    }
    clipcap_app().querySelector(`#${target}_nav`)?.click(); // SD.Next's modern page has tabs of its own before those
    const recount = window["recalculate_prompts_" + (target === "txt2img" ? "txt2img" : "img2img")];
    if (typeof recount === "function") {
        recount();
    }
}

// SD.Next's drawing board takes a picture from its own script alone.
function clipcap_draw({ wanted }) {
    const picture = clipcap_find("image")?.querySelector("img");
    if (wanted && picture && typeof window.loadFromURL === "function") {
        window.loadFromURL(picture.src);
    }
}

function switch_to_clipcap() {
    const buttons = Array.from(clipcap_app().querySelectorAll("#tabs > .tab-nav > button, #tabs button[role=tab]"));
    const ours = buttons.find((button) => (button.getAttribute("aria-controls") || "").endsWith("clipcap"))
        || buttons.find((button) => /^(ClipCap )?Caption$/.test(button.textContent.trim()));
    if (ours) {
        ours.click();
    }
    clipcap_modern_tab()?.click();
    clipcap_first_pane();
    return Array.from(arguments);
}

// On SD.Next's modern page the tabs that are seen are others; ours is made there of its id alone: two letters.
function clipcap_modern_tab() {
    return clipcap_app().querySelector("button[tabitemid*='tab_clipcap_tabitem']");
}

// It shows what it knows by name and leaves the rest where nobody looks: our buttons go to the end of each gallery's
// row, our part of Process below the others. It is laid out long after gradio's page, so look until it is.
function clipcap_lay_out(tries = 600) {
    const app = clipcap_app();
    if (app.querySelector("#tab_sdnext_uiux_core") === null) {
        return; // another page
    }
    const tab = clipcap_modern_tab();
    tab?.setAttribute("title", "ClipCap Caption");
    for (const button of app.querySelectorAll("[id$=_send_to_clipcap]")) {
        const row = `#${button.id.replace("_send_to_clipcap", "")}_tabitem .sd-button[data-click]`;
        Array.from(app.querySelectorAll(row)).pop()?.after(button);
    }
    const parts = "#extras_tabitem [data-parent-selector='#tab_process'][data-selector$='_accordion .gap']";
    const last = Array.from(app.querySelectorAll(parts)).pop();
    if (last) {
        last.parentElement.append(...app.querySelectorAll("#extras_clipcap_accordion"));
    }
    if (tries > 0 && !(tab && last)) {
        setTimeout(clipcap_lay_out, 1000, tries - 1);
    }
}

// The panes' buttons have no ids under gradio 3, and those of a tab that opens just now are not to be seen yet.
function clipcap_first_pane() {
    clipcap_app().querySelector("#clipcap_panes .tab-nav > button, #clipcap_panes [role=tab]")?.click();
}

// The buttons of a model's card.
let clipcap_chosen = "";

function clipcap_choose(event) {
    const acts = { clipcapModel: "want", clipcapFetch: "fetch_card", clipcapFolder: "look_where" };
    const button = event.target?.closest?.(".clipcap_choose");
    const act = Object.keys(acts).find((name) => button?.dataset[name] !== undefined);
    if (act) {
        clipcap_chosen = button.dataset[act];
        clipcap_button(acts[act]).click();
        const told = { clipcapFetch: "fetch_status", clipcapFolder: "memory" }[act]; // where it is told what comes of it
        told && clipcap_find(told).scrollIntoView({ block: "center", behavior: "smooth" });
    } else if (button) {
        clipcap_copy(button.dataset.clipcapCopy);
        button.dataset.clipcapCopied = "";
        setTimeout(() => delete button.dataset.clipcapCopied, 1500);
    }
}

function clipcap_wanted() {
    return { wanted: clipcap_chosen };
}

function clipcap_named() {
    return { name: clipcap_chosen };
}

// Gradio 3's list takes names alone: what is to be said of each is written behind it as the list opens.
function clipcap_mark_list() {
    const line = clipcap_find("facts")?.querySelector("[data-clipcap-states]");
    const states = JSON.parse(line?.dataset.clipcapStates || "{}");
    for (const entry of clipcap_find("model").querySelectorAll("li")) {
        const said = states[entry.textContent.replace("\u2713", "").trim()] || "";
        if (entry.dataset.clipcapState !== said) {
            entry.dataset.clipcapState = said;
        }
    }
}

function clipcap_remember(choices) {
    if (!window.clipcap_restored) {
        return; // what the page starts with is no choice
    }
    try {
        localStorage.setItem(clipcap_STORE, JSON.stringify(choices));
    } catch (error) {
        console.info("clipcap: this browser keeps no choices", error.name);
    }
}

function clipcap_remembered() {
    let store = "{}";
    try {
        store = localStorage.getItem(clipcap_STORE) || "{}";
    } catch (error) {
        console.info("clipcap: this browser keeps no choices", error.name);
    }
    return { store };
}

// From now on a change is somebody's choice; those that giving back makes come in the next moments.
function clipcap_given_back() {
    setTimeout(() => {
        window.clipcap_restored = true;
    }, 500);
}

// Ctrl+Enter captions and Esc stops, on our tab alone and before the host takes the keys for its Generate button.
function clipcap_keys(event) {
    if (!clipcap_visible()) {
        return;
    }
    if (["Enter", " "].includes(event.key) && event.target.dataset?.clipcapReached !== undefined && !event.ctrlKey) {
        event.preventDefault();
        event.target.click();
        return;
    }
    const enter = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    let done = false;
    if (enter) {
        done = clipcap_press(["run", "batch_run", "look"]) || true;
    } else if (event.key === "Escape") {
        done = clipcap_press(["stop", "batch_stop", "folder_stop"]);
    }
    if (done) {
        event.preventDefault();
        event.stopImmediatePropagation();
    }
}

// A pasted picture goes into the picture box; A1111 and its kin have a handler of their own for that.
function clipcap_paste(event) {
    if (!clipcap_visible() || typeof window.dropReplaceImage === "function" || typeof dropReplaceImage === "function") {
        return;
    }
    const images = Array.from(event.clipboardData?.files || []).filter((file) => file.type.startsWith("image/"));
    const place = images.length > 1 ? "files" : "image";
    if (images.length === 0 || clipcap_find(place)?.offsetParent == null) {
        return;
    }
    event.preventDefault();
    const give = () => {
        const input = clipcap_find(place).querySelector("input[type=file]");
        if (input) {
            const transfer = new DataTransfer();
            images.forEach((file) => transfer.items.add(file));
            input.files = transfer.files;
            input.dispatchEvent(new Event("change", { bubbles: true }));
        }
        return input !== null;
    };
    if (!give()) { // the box is full: empty it first
        clipcap_find(place).querySelector("button[aria-label=Clear], button[aria-label='Remove Image']")?.click();
        setTimeout(give, 300);
    }
}

// What is typed in the gallery goes into a hidden text, by row, and from there into the downloads.
function clipcap_typed(event) {
    const row = event.target?.dataset?.clipcapRow;
    if (row === undefined) {
        return;
    }
    const areas = clipcap_find("gallery").querySelectorAll("textarea[data-clipcap-row]");
    const edits = {};
    areas.forEach((area) => {
        if (area.value !== area.defaultValue) {
            edits[area.dataset.clipcapRow] = area.value;
        }
    });
    clipcap_set("edits", JSON.stringify(edits));
}

// A click on a keyword's bar takes its word out of the box below, or puts it back.
function clipcap_chip(event) {
    const chip = event.target?.closest?.("[data-clipcap-keyword]");
    if (!chip) {
        return;
    }
    const word = chip.dataset.clipcapKeyword;
    const box = clipcap_find("keywords").querySelector("textarea, input");
    const words = box.value.split(",").map((part) => part.trim()).filter((part) => part !== "");
    const kept = words.filter((one) => one !== word);
    const on = kept.length === words.length;
    chip.setAttribute("aria-pressed", String(on));
    clipcap_set("keywords", (on ? [...words, word] : kept).join(", "));
}

// A click on a word of the judged caption puts what is left without it into the box.
let clipcap_left = "";

function clipcap_drop(event) {
    const word = event.target?.closest?.("[data-clipcap-without]");
    if (word) {
        clipcap_left = word.dataset.clipcapWithout;
        clipcap_button("drop").click();
    } else if (event.target?.closest?.("#clipcap_judged_fold .label-wrap")) {
        setTimeout(clipcap_worded, 200); // opened: look at what is in the box
    }
}

function clipcap_dropped() {
    return { chosen: clipcap_left };
}

// What was found of another caption than the one in the box is greyed out, and found anew while the fold is open.
let clipcap_check_soon = 0;

function clipcap_outdated() {
    const found = clipcap_find("judged")?.querySelector(".clipcap_judged");
    const text = clipcap_find("caption")?.querySelector("textarea")?.value;
    const outdated = Boolean(found) && found.dataset.clipcapOf !== text;
    found?.classList.toggle("clipcap_outdated", outdated);
    return outdated || (!found && Boolean(text));
}

function clipcap_worded() {
    clearTimeout(clipcap_check_soon);
    if (clipcap_outdated()) {
        clipcap_check_soon = setTimeout(clipcap_press, 400, ["check"]);
    }
}

// gradio drops a press while an earlier one is being answered
function clipcap_checked() {
    setTimeout(() => clipcap_find("judged")?.querySelector(".clipcap_judged") && clipcap_worded(), 100);
}

// Each candidate begins with its similarity, score or likelihood; draw it as a bar, relative to the best.
function clipcap_bars() {
    const labels = Array.from(clipcap_find("candidates")?.querySelectorAll("label") || []);
    const numbers = labels.map((label) => Number((label.textContent.match(/^\s*(-?\d\.\d\d|\d+(?=%))/) || [])[1]));
    const best = Math.max(...numbers.filter((number) => !Number.isNaN(number)), 0);
    labels.forEach((label, place) => {
        const share = best > 0 && numbers[place] > 0 ? numbers[place] / best : 0;
        const width = (100 * share).toFixed(0) + "%";
        if (label.style.getPropertyValue("--clipcap-bar") !== width) {
            label.style.setProperty("--clipcap-bar", width);
        }
    });
}

// Gradio 3 drops a change that comes while it answers an earlier one of the same kind: note what was asked, ask again.
const clipcap_questions = {};

function clipcap_asked(name, values) {
    clipcap_questions[name] = values;
}

function clipcap_missed(name, values) {
    if (Object.keys(values).some((key) => !Object.is(values[key], clipcap_questions[name][key]))) {
        clipcap_button(name).click();
    }
}

// Answers come in any order, and the picture may be another by then. A mark of the picture goes with every question and
// comes back with its answer; what is of another picture than the one in the box is hidden at once and soon cleared.
let clipcap_shown = "";
let clipcap_waiting = false;

function clipcap_mark_of(image) {
    const source = typeof image === "string" ? image : image?.url || image?.path || "";
    if (source.length < 500 && !source.startsWith("data:")) {
        return source;
    }
    const step = Math.ceil(source.length / 50000); // some of a large picture's letters tell it from others
    let digest = 0;
    for (let place = 0; place < source.length; place += step) {
        digest = (Math.imul(digest, 31) + source.charCodeAt(place)) | 0;
    }
    return `${source.length}.${digest}`;
}

function clipcap_beside(values) {
    const marks = { picture: clipcap_mark_of(values.image), captioned: clipcap_marked("caption_of") };
    return { beside: JSON.stringify(marks) };
}

// Gradio drops a press while the run of the picture before is still ending: press again for the new picture then.
let clipcap_run_of = null;
let clipcap_lost = false;

function clipcap_begun(values) {
    clipcap_run_of ??= clipcap_mark_of(values.image);
    return clipcap_beside(values);
}

function clipcap_clicked(event) {
    clipcap_lost ||= clipcap_run_of !== null && Boolean(event.target?.closest?.("#clipcap_run"));
}

function clipcap_ended() {
    const again = clipcap_lost && clipcap_shown !== "" && clipcap_run_of !== clipcap_shown;
    clipcap_run_of = null;
    clipcap_lost = false;
    if (again) {
        setTimeout(clipcap_press, 50, ["run"]);
    }
}

function clipcap_pictured(values) {
    clipcap_shown = clipcap_mark_of(values.image);
    clipcap_told();
}

// The box may show another picture some frames before gradio tells of it: nothing is said of that one yet.
let clipcap_source = "";
let clipcap_untold = 0;

function clipcap_swapped() {
    const source = clipcap_find("image").querySelector("img")?.src || "";
    if (source !== clipcap_source) {
        clipcap_source = source;
        clearTimeout(clipcap_untold);
        clipcap_untold = setTimeout(clipcap_told, 500); // or gradio told of it before
        clipcap_compare();
    }
}

function clipcap_told() {
    clearTimeout(clipcap_untold);
    clipcap_untold = 0;
    clipcap_compare();
}

// Only what a mark holds: while an answer is on its way gradio 6 writes its own clock beside it.
function clipcap_marked(name) {
    return clipcap_find(name)?.querySelector("i")?.textContent.trim() || "";
}

function clipcap_others() {
    const caption = clipcap_marked("caption_of");
    const others = caption !== "" && (caption !== clipcap_shown || clipcap_untold) ? ["caption"] : [];
    return clipcap_marked("status_of") === clipcap_shown ? others : [...others, "status"];
}

function clipcap_compare() {
    const others = clipcap_others();
    if (others.length === 0 && clipcap_shown !== "") {
        clipcap_reading(false);
    }
    clipcap_find("single").dataset.clipcapOther = others.join(" ");
    if (others.length > 0 && !clipcap_waiting) {
        clipcap_await(400);
    }
}

// The answer to the change itself is mostly on its way; where it is not, or came too early, ask again.
function clipcap_await(milliseconds) {
    clipcap_waiting = true;
    setTimeout(() => {
        clipcap_waiting = clipcap_others().length > 0;
        if (clipcap_waiting) {
            clipcap_button("settle").click();
            clipcap_await(Math.min(2 * milliseconds, 2000));
        }
    }, milliseconds);
}

// A large picture takes seconds to arrive: say at once that it is on its way.
let clipcap_reading_since = 0;

function clipcap_reading(on) {
    const status = clipcap_find("status");
    clearTimeout(clipcap_reading_since);
    if (on) {
        status.dataset.clipcapReading = clipcap_marked("reading");
        clipcap_reading_since = setTimeout(clipcap_reading, 20000, false); // it was refused, or is the one that was there
    } else {
        delete status.dataset.clipcapReading;
    }
}

// Gradio 3's folds and picture boxes are no buttons: let Tab reach them, and Enter press them.
function clipcap_reach() {
    const zones = Array.from(clipcap_app().querySelectorAll("#clipcap_image input[type=file], #clipcap_files input[type=file]"));
    const folds = Array.from(clipcap_app().querySelectorAll("#clipcap_root div.label-wrap"));
    for (const zone of [...folds, ...zones.map((input) => input.parentElement)]) {
        if (zone.tagName !== "BUTTON" && !zone.hasAttribute("tabindex")) {
            zone.tabIndex = 0;
            zone.setAttribute("role", "button");
            zone.dataset.clipcapReached = "";
            if (!zone.textContent.trim()) {
                zone.setAttribute("aria-label", zone.closest("[id^=clipcap_]").querySelector("label, .label")?.textContent.trim() || "");
            }
        }
    }
}

function clipcap_start() {
    const candidates = clipcap_find("candidates");
    const restore = clipcap_button("restore");
    if (candidates === null || restore === null) {
        setTimeout(clipcap_start, 200);
        return;
    }
    new MutationObserver(clipcap_bars).observe(candidates, { childList: true, subtree: true, characterData: true });
    for (const name of ["status_of", "caption_of"]) {
        const change = { childList: true, subtree: true, characterData: true };
        new MutationObserver(clipcap_compare).observe(clipcap_find(name), change);
    }
    const pictures = { childList: true, subtree: true, attributeFilter: ["src"] };
    new MutationObserver(clipcap_swapped).observe(clipcap_find("image"), pictures);
    new MutationObserver(clipcap_mark_list).observe(clipcap_find("model"), { childList: true, subtree: true });
    new MutationObserver(clipcap_reach).observe(clipcap_find("root"), { childList: true, subtree: true });
    clipcap_reach();
    clipcap_lay_out();
    restore.click();
}

if (!window.clipcap_started) {
    window.clipcap_started = true;
    window.addEventListener("keydown", clipcap_keys, true);
    document.addEventListener("paste", clipcap_paste);
    document.addEventListener("input", clipcap_typed);
    document.addEventListener("click", clipcap_chip);
    document.addEventListener("click", clipcap_drop);
    document.addEventListener("click", clipcap_clicked, true);
    document.addEventListener("click", clipcap_choose);
    for (const kind of ["change", "drop"]) {
        document.addEventListener(kind, (event) => clipcap_given(event), true); // its file may come later than this one
    }
    clipcap_start();
}

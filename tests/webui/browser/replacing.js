// For test_replacing.py: puts pictures into the box, presses Caption, and looks at every frame. No part of the tab.
function replacing(pictures) {
    const box = () => document.getElementById("clipcap_image");
    const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
    const clearing = "button[aria-label=Clear], button[aria-label='Remove Image']";

    function visible(element) {
        return element !== null && getComputedStyle(element).visibility !== "hidden";
    }

    function seen() {
        const area = document.querySelector("#clipcap_caption textarea");
        const status = document.getElementById("clipcap_status");
        const run = document.getElementById("clipcap_run");
        const button = run.tagName === "BUTTON" ? run : run.querySelector("button");
        return {
            width: box().querySelector("img")?.naturalWidth || 0,
            caption: visible(area) ? area.value : "",
            hidden: area.value,
            status: status.innerText,
            busy: status.querySelector(".clipcap_busy") !== null,
            able: !button.disabled,
            candidates: document.querySelectorAll("#clipcap_candidates label").length,
        };
    }

    async function put(width, gap) {
        const bytes = Uint8Array.from(atob(pictures[width]), (letter) => letter.charCodeAt(0));
        box().querySelector(clearing)?.click();
        await sleep(gap);
        for (let tries = 0; tries < 100; tries += 1) {
            const input = box().querySelector("input[type=file]");
            if (input) {
                const data = new DataTransfer();
                data.items.add(new File([bytes], `w${width}.png`, { type: "image/png" }));
                input.files = data.files;
                input.dispatchEvent(new Event("change", { bubbles: true }));
                return;
            }
            await sleep(20);
            box().querySelector(clearing)?.click();
        }
        throw new Error("the picture box takes no picture");
    }

    const its = {
        seen, put, done: true, frames: 0, wrong: [],
        async go(steps) {
            its.done = false;
            for (const [wait, what, width, gap] of steps) {
                await sleep(wait);
                if (what === "press") {
                    document.querySelector("#clipcap_run button, button#clipcap_run").click();
                } else if (what === "clear") {
                    box().querySelector(clearing)?.click();
                } else {
                    await put(width, gap);
                }
            }
            its.done = true;
        },
        watch(said) {
            const look = () => {
                const now = seen();
                its.frames += 1;
                if (now.width && now.caption && said[now.width] !== now.caption) {
                    its.wrong.push([now.width, now.caption]);
                }
                if (its.watching) {
                    requestAnimationFrame(look);
                }
            };
            its.watching = true;
            requestAnimationFrame(look);
        },
    };
    return its;
}

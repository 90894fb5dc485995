// A large photo is made smaller on the page, before it is uploaded: a camera's 24 megapixels take seconds to send and to
// read, and no captioner and no img2img looks at more than what is left. It knows the picture box alone; what becomes of
// the picture then is in clipcap.js.

const clipcap_MOST = 2048; // pixels of the longer side: where the sliders of img2img's size end
const clipcap_QUICK = 400000; // bytes: smaller files are sent as they are, without a look
const clipcap_handed = new WeakSet(); // our own events, which hand over what was looked at
let clipcap_last_given = null;

function clipcap_given(event) {
    const box = event.target?.closest?.("#clipcap_image");
    const files = (event.dataTransfer || event.target)?.files;
    if (!box || !files?.length || clipcap_handed.has(event)) {
        return;
    }
    clipcap_last_given = event;
    clipcap_reading(true);
    const [file] = files;
    const large = ["image/jpeg", "image/png"].includes(file.type) && file.size > clipcap_QUICK;
    if (large && box.querySelector("input[type=file]")) {
        event.preventDefault();
        event.stopImmediatePropagation();
        clipcap_look_at(file, event, box);
    }
}

async function clipcap_look_at(file, event, box) {
    if (event.dataTransfer) {
        event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true })); // the box is not told of the drop
    }
    const smaller = await clipcap_shrunk(file);
    const input = box.querySelector("input[type=file]");
    if (clipcap_last_given === event && input) { // no other was given meanwhile
        const transfer = new DataTransfer();
        transfer.items.add(smaller);
        input.files = transfer.files;
        const change = new Event("change", { bubbles: true });
        clipcap_handed.add(change);
        input.dispatchEvent(change);
    }
}

// The file itself where it is small enough, brings the prompt that it was made from, or cannot be shrunk here.
async function clipcap_shrunk(file) {
    const address = URL.createObjectURL(file);
    try {
        const picture = await clipcap_loaded(address);
        const share = clipcap_MOST / Math.max(picture.naturalWidth, picture.naturalHeight);
        if (share >= 1 || !clipcap_tells_colours() || await clipcap_brings_a_prompt(file)) {
            return file;
        }
        const canvas = clipcap_canvas(share * picture.naturalWidth, share * picture.naturalHeight);
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        context.drawImage(picture, 0, 0, canvas.width, canvas.height); // upright, as the camera was held
        const made = await new Promise((done) => canvas.toBlob(done, file.type, 0.95));
        return made ? new File([made], file.name, { type: made.type }) : file;
    } catch (error) {
        console.info("clipcap: the picture is sent as it is", error);
        return file;
    } finally {
        URL.revokeObjectURL(address);
    }
}

function clipcap_loaded(address) {
    return new Promise((done, failed) => {
        const picture = new Image();
        picture.onload = () => done(picture);
        picture.onerror = () => failed(new Error("this browser cannot read it"));
        picture.src = address;
    });
}

function clipcap_canvas(width, height) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width));
    canvas.height = Math.max(1, Math.round(height));
    return canvas;
}

// Some browsers give scripts noise instead of what was drawn, so that pages cannot tell people apart.
function clipcap_tells_colours() {
    const context = clipcap_canvas(8, 8).getContext("2d", { willReadFrequently: true });
    context.fillStyle = "rgb(10, 200, 90)";
    context.fillRect(0, 0, 8, 8);
    const seen = context.getImageData(0, 0, 8, 8).data;
    return seen.every((value, place) => value === [10, 200, 90, 255][place % 4]);
}

// A1111 and its kin write the prompt into a PNG's texts or a JPEG's comment, in letters of one byte or two; such a picture
// may be meant for an upscaler, which wants every pixel.
async function clipcap_brings_a_prompt(file) {
    const bytes = await file.slice(0, 300000).arrayBuffer();
    const letters = new TextDecoder("latin1").decode(bytes).replaceAll("\0", "");
    return /(tEXt|iTXt|zTXt)(parameters|prompt|workflow)|Steps: \d+, /.test(letters);
}

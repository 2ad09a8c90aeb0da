// Speaking to the server: a prediction as a stream of events, or in one piece where the server cannot stream.

// Something went wrong that is said in the reader's words: `key` and `values` for `text`; `detail` is the
// server's own sentence.
class Trouble extends Error {
  constructor(key, values = {}, detail = "") {
    super(key);
    Object.assign(this, { key, values, detail });
  }
}

function serverAddress() {
  const typed = byId("address").value.trim();
  if (!typed) throw new Trouble("noAddress");
  let url = null;
  try { url = new URL(typed); } catch { /* said below */ }
  if (!url || !["http:", "https:"].includes(url.protocol)) throw new Trouble("badAddress", { address: typed });
  return url.origin + url.pathname.replace(/\/+$/, "");
}

async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const elsewhere = new URL(url).origin !== location.origin;
    throw new Trouble(elsewhere ? "unreachableElsewhere" : "unreachable", { address: new URL(url).origin });
  }
}

async function serverStatus(address) {
  const response = await ask(`${address}/health-check`, { signal: AbortSignal.timeout(8000) });
  const answer = await response.json().catch(() => ({}));
  return typeof answer.status === "string" ? answer.status : "UNKNOWN";
}

// Run one prediction. Yields its events as {event, data}; the last is `completed` with the whole prediction, which is
// not waited for once `isEnough`: it has every picture a second time.
async function* predict(address, id, params, signal, isEnough = () => false) {
  const call = (accept) => ask(`${address}/predictions/${id}`, {
    method: "PUT",
    headers: { "Content-Type": "application/json", Accept: accept },
    body: JSON.stringify({ input: { params_json: params } }),
    signal,
  });
  let response = await call("text/event-stream");
  if (response.status === 406) response = await call("application/json");
  if (!response.ok) throw await refusal(response);
  if (!(response.headers.get("Content-Type") || "").startsWith("text/event-stream")) {
    yield { event: "completed", data: parsed(await broken(response.text())) };
    return;
  }
  yield* events(response.body, isEnough);
}

async function* events(body, isEnough) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await broken(reader.read());
    if (done) return;
    const from = Math.max(0, pending.length - 3);
    pending += value;
    let start = 0;
    for (let end = pending.indexOf("\n\n", from); end >= 0; end = pending.indexOf("\n\n", start)) {
      const event = parsedEvent(pending.slice(start, end));
      if (event) yield event;
      start = end + 2;
    }
    pending = pending.slice(start);
    if (isEnough() && pending.startsWith("event: completed")) {
      await reader.cancel();
      return;
    }
  }
}

// A connection that breaks off in the middle, in words.
async function broken(reading) {
  try {
    return await reading;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("brokenOff");
  }
}

// An answer that is no JSON object comes from something else than a Cog server.
function parsed(answer) {
  try {
    const value = JSON.parse(answer);
    if (value !== null && typeof value === "object") return value;
  } catch { /* said below */ }
  throw new Trouble("unknownServer");
}

function parsedEvent(block) {
  const lines = block.split(/\r?\n/);
  const event = lines.find((line) => line.startsWith("event:"));
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
  return event && data.length ? { event: event.slice(6).trim(), data: JSON.parse(data.join("\n")) } : null;
}

async function refusal(response) {
  const text = await response.text();
  let answer = {};
  try { answer = parsed(text); } catch { /* the text itself is shown */ }
  const { detail, error } = answer;
  // A page of HTML says nothing to anybody here.
  const isPage = (response.headers.get("Content-Type") || "").startsWith("text/html");
  const said = isPage ? "" : Array.isArray(detail)
    ? detail.map((problem) => [problem.loc.slice(2).join("."), problem.msg].filter(Boolean).join(": ")).join("\n")
    : detail || error || text.slice(0, 300);
  const key = { 404: "unknownServer", 405: "unknownServer", 501: "unknownServer", 409: "busy", 422: "refused", 429: "lineFull", 502: "noCog", 503: "notReady" }[response.status] || "httpError";
  return new Trouble(key, { status: response.status }, said);
}

function cancelPrediction(address, id) {
  return ask(`${address}/predictions/${id}/cancel`, { method: "POST" });
}

// The sentence that a person is to read, without the names of the exceptions it came through.
function errorSentence(error) {
  return String(error || "").replace(/^(?:Prediction failed: |Generator iteration error: |(?:\w+\.)*\w+(?:Error|Exception): )+/, "");
}

function newPredictionId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(13)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

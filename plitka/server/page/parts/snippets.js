// The request as people send it: from a shell, from Python, from JavaScript; to Replicate or to a Cog server.

const TARGETS = ["cog", "replicate"];
const FORMS = ["json", "curl", "python", "javascript"];
const LOCAL_SERVER = "http://127.0.0.1:5000";
const REPLICATE_MODEL = "OWNER/plitka-pro:VERSION";

function snippet(form, target, address) {
  if (form === "json") return writtenOut(requestFields(), JSON_WORDS);
  return SNIPPETS[target][form](address || LOCAL_SERVER);
}

function inShell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// The files of a request, in the order in which they come.
function fileNames() {
  return filesOf({ recipe: state });
}

const SNIPPETS = {
  cog: {
    curl: (address) => `curl -s ${address}/predictions -o answer.json \\
  -H 'Content-Type: application/json' \\
  -d ${inShell(JSON.stringify({ input: { params_json: paramsJson() } }))}`,

    python: (address) => `import base64
import json
from pathlib import Path
from urllib.request import Request, urlopen

request = ${writtenOut(requestFields(), PYTHON_WORDS)}

body = json.dumps({"input": {"params_json": json.dumps(request)}}).encode()
call = Request("${address}/predictions", body, {"Content-Type": "application/json"})
with urlopen(call) as response:
    answer = json.load(response)
if answer["status"] != "succeeded":
    raise SystemExit(answer["error"])
for name, url in zip(${written(fileNames(), PYTHON_WORDS)}, answer["output"], strict=True):
    Path(f"{name}.png").write_bytes(base64.b64decode(url.partition(",")[2]))
`,

    javascript: (address) => `import { writeFile } from "node:fs/promises";

const request = ${writtenOut(requestFields(), JAVASCRIPT_WORDS)};

const response = await fetch("${address}/predictions", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ input: { params_json: JSON.stringify(request) } }),
});
const answer = await response.json();
if (answer.status !== "succeeded") throw new Error(answer.error ?? JSON.stringify(answer));
for (const [i, name] of ${written(fileNames(), JAVASCRIPT_WORDS)}.entries()) {
  await writeFile(\`\${name}.png\`, Buffer.from(answer.output[i].split(",")[1], "base64"));
}
`,
  },
  replicate: {
    curl: () => `curl -s https://api.replicate.com/v1/predictions -o answer.json \\
  -H "Authorization: Bearer $REPLICATE_API_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -H 'Prefer: wait' \\
  -d ${inShell(JSON.stringify({ version: REPLICATE_MODEL, input: { params_json: paramsJson() } }))}`,

    python: () => `import json
from pathlib import Path

import replicate

request = ${writtenOut(requestFields(), PYTHON_WORDS)}

files = replicate.run("${REPLICATE_MODEL}", input={"params_json": json.dumps(request)})
for name, file in zip(${written(fileNames(), PYTHON_WORDS)}, files):
    Path(f"{name}.png").write_bytes(file.read())
`,

    javascript: () => `import { writeFile } from "node:fs/promises";
import Replicate from "replicate";

const request = ${writtenOut(requestFields(), JAVASCRIPT_WORDS)};

const replicate = new Replicate();
const files = await replicate.run("${REPLICATE_MODEL}", {
  input: { params_json: JSON.stringify(request) },
});
for (const [i, name] of ${written(fileNames(), JAVASCRIPT_WORDS)}.entries()) {
  await writeFile(\`\${name}.png\`, files[i]);
}
`,
  },
};

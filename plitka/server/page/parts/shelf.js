// What the browser keeps for this page: results, their pictures, saved recipes, samples of the granules. In IndexedDB;
// where there is none, as in some private windows, for as long as the page is open.

const SHELF = { name: "plitka", version: 1, stores: ["results", "pictures", "recipes", "samples"], patience: 4000 };

const shelf = {
  // A promise of the database, or of null where there is none.
  opened: null,
  memory: new Map(SHELF.stores.map((name) => [name, new Map()])),
};

function openShelf() {
  shelf.opened = shelf.opened || new Promise((go) => {
    // Some browsers neither open a database nor say that they will not; on a busy machine it may open later.
    let isLate = false;
    setTimeout(() => { isLate = true; go(null); }, SHELF.patience);
    try {
      const request = indexedDB.open(SHELF.name, SHELF.version);
      request.onupgradeneeded = () => {
        for (const name of SHELF.stores) request.result.createObjectStore(name, { keyPath: "id" });
      };
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close();
        if (isLate) shelfOpensLate(request.result);
        else go(request.result);
      };
      request.onerror = request.onblocked = () => go(null);
    } catch {
      go(null);
    }
  });
  return shelf.opened;
}

// What was kept in the meantime goes into a database that opens late, and what that has already is shown.
async function shelfOpensLate(database) {
  const kept = () => SHELF.stores.flatMap((name) => [...shelf.memory.get(name).values()].map((value) => [name, value]));
  for (let entries = kept(); entries.length; entries = kept()) {
    try {
      await inDatabase(database, SHELF.stores, "readwrite", (at) => entries.forEach(([name, value]) => { at(name).put(value); }));
      // What was forgotten while it was written.
      const gone = entries.filter(([name, { id }]) => !shelf.memory.get(name).has(id));
      await inDatabase(database, SHELF.stores, "readwrite", (at) => gone.forEach(([name, { id }]) => { at(name).delete(id); }));
    } catch {
      return;
    }
    for (const [name, value] of entries) if (shelf.memory.get(name).get(value.id) === value) shelf.memory.get(name).delete(value.id);
  }
  shelf.opened = Promise.resolve(database);
  byId("strip-note").textContent = "";
  openStrip();
  openSaved();
}

// What `work` finds in a transaction over stores, once that is through. Raises what went wrong, such as a full disk.
function inDatabase(database, stores, mode, work) {
  return new Promise((go, fail) => {
    const transaction = database.transaction(stores, mode);
    const request = work((name) => transaction.objectStore(name));
    transaction.oncomplete = () => go(request && request.result);
    transaction.onerror = transaction.onabort = () => fail(transaction.error || new Error("not kept"));
  });
}

async function keptAll(store) {
  const database = await openShelf();
  if (!database) return [...shelf.memory.get(store).values()];
  return inDatabase(database, [store], "readonly", (at) => at(store).getAll());
}

async function keptOne(store, id) {
  const database = await openShelf();
  if (!database) return shelf.memory.get(store).get(id);
  return inDatabase(database, [store], "readonly", (at) => at(store).get(id));
}

// `entries` are [store, value], each value with an `id`; all of them are kept, or none.
async function keep(entries) {
  const database = await openShelf();
  if (!database) {
    for (const [store, value] of entries) shelf.memory.get(store).set(value.id, value);
    return;
  }
  const stores = [...new Set(entries.map(([store]) => store))];
  await inDatabase(database, stores, "readwrite", (at) => {
    for (const [store, value] of entries) at(store).put(value);
  });
}

// `entries` are [store, id].
async function forget(entries) {
  const database = await openShelf();
  if (!database) {
    for (const [store, id] of entries) shelf.memory.get(store).delete(id);
    return;
  }
  const stores = [...new Set(entries.map(([store]) => store))];
  await inDatabase(database, stores, "readwrite", (at) => {
    for (const [store, id] of entries) at(store).delete(id);
  });
}

// Whether what is kept outlasts the page.
async function keepsForLong() {
  return (await openShelf()) !== null;
}

function newId() {
  return `${Date.now().toString(36)}-${newPredictionId().slice(0, 8)}`;
}

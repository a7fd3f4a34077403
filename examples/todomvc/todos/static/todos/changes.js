/**
 * What a person can do to the list. A change is
 *   apply(todos)            → the list as it looks with the change made
 *   send(api, idOf)         → a promise of the server's answer; `idOf(key)` is the server's id, if it has one
 *   settle(todos, answer)   → the list that the server now has
 *
 * A todo is { key, id?, title, completed }. The key never changes; the id comes with the server's answer.
 */

export function add(key, title) {
  return {
    apply: (todos) => [...todos, { key, title, completed: false }],
    send: (api) => api.create(title),
    settle: (todos, saved) => [...todos, { ...saved, key }],
  };
}

export function update(key, fields) {
  return settledAsApplied({
    apply: (todos) => todos.map((todo) => (todo.key === key ? { ...todo, ...fields } : todo)),
    send: whenSaved(key, (api, id) => api.update(id, fields)),
  });
}

export function remove(key) {
  return settledAsApplied({
    apply: (todos) => todos.filter((todo) => todo.key !== key),
    send: whenSaved(key, (api, id) => api.remove(id)),
  });
}

export function toggleAll(completed) {
  return settledAsApplied({
    apply: (todos) => todos.map((todo) => ({ ...todo, completed })),
    send: (api) => api.toggleAll(completed),
  });
}

export function clearCompleted() {
  return settledAsApplied({
    apply: (todos) => todos.filter((todo) => !todo.completed),
    send: (api) => api.clearCompleted(),
  });
}

function settledAsApplied(change) {
  return { ...change, settle: change.apply };
}

// A todo that the server refused to create has no id: there is nothing to change there.
function whenSaved(key, send) {
  return async (api, idOf) => {
    const id = idOf(key);
    if (id !== undefined) await send(api, id);
  };
}

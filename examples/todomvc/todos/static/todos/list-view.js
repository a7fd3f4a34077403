import { TodoItem } from './todo-item.js';

const FILTERS = {
  '#/active': { keep: (todo) => !todo.completed, empty: 'Nothing left to do.' },
  '#/completed': { keep: (todo) => todo.completed, empty: 'Nothing completed yet.' },
};
const ALL = { keep: () => true, empty: '' };

/** Keeps the page's list, counter, filters and buttons equal to the store. */
export class ListView {
  #store;
  #items = new Map();
  #app = document.querySelector('.todoapp');
  #main = document.querySelector('.main');
  #list = document.querySelector('.todo-list');
  #nothing = document.querySelector('.main .nothing');
  #footer = document.querySelector('.footer');
  #count = document.querySelector('.todo-count');
  #links = document.querySelectorAll('.filters a');
  #toggleAll = document.querySelector('.toggle-all');
  #clear = document.querySelector('.clear-completed');
  #form = document.querySelector('.new-todo-form');
  #input = document.querySelector('.new-todo');

  constructor(store) {
    this.#store = store;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#addFromInput();
    });
    this.#toggleAll.addEventListener('change', () => store.toggleAll(this.#toggleAll.checked));
    this.#clear.addEventListener('click', () => {
      store.clearCompleted();
      this.#input.focus();
    });
    store.addEventListener('change', () => this.render());
    window.addEventListener('hashchange', () => this.render());
  }

  render() {
    const { todos } = this.#store;
    const left = todos.filter((todo) => !todo.completed).length;
    const filter = FILTERS[location.hash] ?? ALL;
    const shown = todos.filter(filter.keep);

    this.#renderItems(shown);
    this.#nothing.textContent = filter.empty;
    this.#nothing.hidden = shown.length > 0;
    this.#main.hidden = this.#footer.hidden = this.#toggleAll.hidden = todos.length === 0;
    this.#toggleAll.checked = left === 0;
    this.#clear.hidden = left === todos.length;
    showCount(this.#count, left);
    for (const link of this.#links) {
      const selected = (FILTERS[link.hash] ?? ALL) === filter;
      link.classList.toggle('selected', selected);
      if (selected) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
    this.#app.removeAttribute('aria-busy');
  }

  #renderItems(todos) {
    const focused = this.#focusedIndex();
    const keys = new Set(todos.map((todo) => todo.key));
    for (const [key, item] of this.#items) {
      if (keys.has(key)) continue;
      this.#items.delete(key);
      item.element.remove();
    }
    todos.forEach((todo, index) => {
      const item = this.#items.get(todo.key) ?? new TodoItem(this.#store, todo.key);
      this.#items.set(todo.key, item);
      item.show(todo);
      // Moving an element takes the focus from it: only move what stands elsewhere.
      const place = this.#list.children[index] ?? null;
      if (place !== item.element) this.#list.insertBefore(item.element, place);
    });
    this.#keepFocusNear(focused);
  }

  #focusedIndex() {
    return [...this.#list.children].findIndex((element) => element.contains(document.activeElement));
  }

  // Whoever deletes with the keyboard stays in the list instead of falling back to the top of the page.
  #keepFocusNear(index) {
    if (index < 0 || this.#focusedIndex() >= 0) return;
    const neighbour = this.#list.children[Math.min(index, this.#list.children.length - 1)];
    (neighbour?.querySelector('.toggle') ?? this.#input).focus();
  }

  #addFromInput() {
    const title = this.#input.value.trim();
    if (!title) return;
    this.#input.value = '';
    this.#store.add(title);
  }
}

function showCount(element, left) {
  const text = `${left} ${left === 1 ? 'item' : 'items'} left`;
  // Writing the same text again would make screen readers say it again.
  if (element.textContent !== text) element.textContent = text;
}

const template = document.querySelector('#todo-template');

/** One line of the list. User text reaches the page through textContent, value and attributes only, never as HTML. */
export class TodoItem {
  #store;
  #key;
  #todo = null;
  #toggle;
  #label;
  #edit;
  #startEdit;
  #destroy;

  constructor(store, key) {
    this.#store = store;
    this.#key = key;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.#toggle = this.element.querySelector('.toggle');
    this.#label = this.element.querySelector('label');
    this.#edit = this.element.querySelector('.edit');
    this.#startEdit = this.element.querySelector('.start-edit');
    this.#destroy = this.element.querySelector('.destroy');
    this.#listen();
  }

  show(todo) {
    this.#todo = todo;
    const { title, completed } = todo;
    this.element.classList.toggle('completed', completed);
    this.element.classList.toggle('unsaved', todo.id === undefined);
    this.#toggle.checked = completed;
    this.#toggle.setAttribute('aria-label', `Completed: ${title}`);
    this.#label.textContent = title;
    this.#startEdit.setAttribute('aria-label', `Edit: ${title}`);
    this.#destroy.setAttribute('aria-label', `Delete: ${title}`);
    this.#edit.setAttribute('aria-label', `New text for: ${title}`);
  }

  #listen() {
    this.#toggle.addEventListener('change', () => this.#store.update(this.#key, { completed: this.#toggle.checked }));
    this.#label.addEventListener('dblclick', () => this.#beginEdit());
    this.#startEdit.addEventListener('click', () => this.#beginEdit());
    this.#destroy.addEventListener('click', () => this.#store.remove(this.#key));
    this.#edit.addEventListener('blur', () => this.#endEdit({ save: true }));
    this.#edit.addEventListener('keydown', (event) => {
      // While an input method composes a word, Enter and Escape belong to it.
      if (event.isComposing || !['Enter', 'Escape'].includes(event.key)) return;
      // The focus goes back to the edit button, which this same Enter would otherwise press.
      event.preventDefault();
      this.#endEdit({ save: event.key === 'Enter', refocus: true });
    });
  }

  get #editing() {
    return this.element.classList.contains('editing');
  }

  #beginEdit() {
    this.#edit.value = this.#todo.title;
    this.element.classList.add('editing');
    this.#edit.focus();
    this.#edit.setSelectionRange(this.#edit.value.length, this.#edit.value.length);
  }

  #endEdit({ save, refocus = false }) {
    if (!this.#editing) return;
    this.element.classList.remove('editing');
    if (refocus) this.#startEdit.focus();
    const title = this.#edit.value.trim();
    if (!save || title === this.#todo.title) return;
    if (title) this.#store.update(this.#key, { title });
    else this.#store.remove(this.#key);
  }
}

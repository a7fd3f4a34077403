import { Api } from './api.js';
import { ListView } from './list-view.js';
import { Store } from './store.js';
import { showTroubleOf } from './toast.js';

const store = new Store(new Api(document.querySelector('.todoapp').dataset.api));
new ListView(store);
showTroubleOf(store);
store.load();

window.addEventListener('online', () => store.load());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') store.load();
});
window.addEventListener('beforeunload', (event) => {
  if (store.hasUnsaved) event.preventDefault();
});

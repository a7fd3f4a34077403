/** Says that something was not saved: with buttons and lasting while it can be tried again, briefly otherwise. */
const SHORT_MS = 8_000;

export function showTroubleOf(store) {
  const toast = document.querySelector('.toast');
  const text = toast.querySelector('.toast-text');
  const retry = toast.querySelector('.toast-retry');
  const discard = toast.querySelector('.toast-discard');
  let timer = 0;

  function hide() {
    toast.hidden = true;
  }

  store.addEventListener('trouble', ({ detail: failure }) => {
    clearTimeout(timer);
    const waiting = store.hasUnsaved ? ' Your changes are kept on this page and sent when it answers.' : '';
    text.textContent = failure.retryable ? failure.message + waiting : `Not saved. ${failure.message}`;
    retry.hidden = !failure.retryable;
    discard.hidden = !failure.retryable || !store.hasUnsaved;
    toast.hidden = false;
    if (!failure.retryable) timer = setTimeout(hide, SHORT_MS);
  });
  // A refusal stays to be read although the next request went well.
  store.addEventListener('recovered', () => {
    if (!retry.hidden) hide();
  });
  retry.addEventListener('click', () => store.retry());
  discard.addEventListener('click', () => store.discard());
}

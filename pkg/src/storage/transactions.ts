/** IndexedDB's requests and transactions as promises. What is done in a transaction must wait for nothing but its own requests, or it ends. */

export function answerTo<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Once all of it stands. Rejects where none of it does. */
export function endOf(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    // Where the browser closes the database under it there is no error.
    transaction.onabort = () => reject(transaction.error ?? new DOMException("the database was closed", "AbortError"));
  });
}

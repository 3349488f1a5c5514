/** May the browser clear this site's storage by itself? */

/** With `ask` it is asked not to. It may put the question to the user, who may take their time; where it cannot be asked, nothing is promised. */
export async function persistence(ask: boolean): Promise<boolean> {
  try {
    const { storage } = navigator;
    return (ask && (await storage.persist())) || (await storage.persisted());
  } catch {
    return false;
  }
}

/** Where addresses stand in a JSON document, as a tree of its members. */
export interface PathNode {
  /** By the name of a member; null where all members, and all elements of an array, are meant. */
  readonly byName: ReadonlyMap<string, PathNode> | null
  readonly all: PathNode | null
  /** A text here is an address. */
  readonly isAddress: boolean
  /** 1 at each length of a name in `byName`, so that most names need not be looked at. */
  readonly lengths: Uint8Array
}

/** Longest name in a path, in bytes. */
export const MAX_NAME_BYTES = 63

interface Growing {
  byName: Map<string, Growing>
  all: Growing | null
  isAddress: boolean
}

/** Makes a tree of paths such as `versions.*.dist.tarball`; `*` stands for all members or elements, beside no name at its place. */
export function pathTree(paths: readonly string[]): PathNode {
  const root: Growing = { byName: new Map(), all: null, isAddress: false }
  for (const path of paths) {
    let node = root
    for (const name of path.split('.')) {
      const next = name === '*' ? node.all : (node.byName.get(name) ?? null)
      const child = next ?? { byName: new Map<string, Growing>(), all: null, isAddress: false }
      if (name === '*') node.all = child
      else node.byName.set(name, child)
      node = child
    }
    node.isAddress = true
  }
  return fixed(root)
}

function fixed({ byName, all, isAddress }: Growing): PathNode {
  if (all !== null && byName.size > 0) throw new Error('a name and * at one place')
  const lengths = new Uint8Array(MAX_NAME_BYTES + 1)
  for (const name of byName.keys()) lengths[name.length] = 1
  return {
    byName: byName.size === 0 ? null : new Map([...byName].map(([name, node]) => [name, fixed(node)])),
    all: all === null ? null : fixed(all),
    isAddress,
    lengths,
  }
}

"""Right answers to two questions of exercise 03, each written without the others."""

PAIRS = {
    "ann": """
def skipgram_pairs(ids, starts, window):
    result = []
    for d in range(len(starts) - 1):
        doc = ids[starts[d]:starts[d + 1]]
        for i, center in enumerate(doc):
            for j in range(i - window, i + window + 1):
                if j != i and 0 <= j < len(doc):
                    result.append([center, doc[j]])
    return np.array(result, dtype=int).reshape(-1, 2)
""",
    "ben": """
def skipgram_pairs(ids, starts, window):
    centers, contexts = [], []
    for begin, end in zip(starts[:-1], starts[1:]):
        for pos in range(begin, end):
            left = max(begin, pos - window)
            right = min(end, pos + window + 1)
            for other in range(left, right):
                if other == pos:
                    continue
                centers.append(ids[pos])
                contexts.append(ids[other])
    return np.stack([np.array(centers, int), np.array(contexts, int)], axis=1)
""",
    "cat": """
def skipgram_pairs(ids, starts, window):
    out = []
    for k in range(1, len(starts)):
        words = list(ids[starts[k - 1]:starts[k]])
        n = len(words)
        for c in range(n):
            neighbours = words[max(0, c - window):c] + words[c + 1:c + 1 + window]
            out += [(words[c], w) for w in neighbours]
    if not out:
        return np.zeros((0, 2), dtype=int)
    return np.array(out)
""",
    "dan": """
def skipgram_pairs(ids, starts, window):
    doc = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    pieces = []
    for shift in range(1, window + 1):
        if shift >= len(ids):
            break
        same = doc[shift:] == doc[:-shift]
        a, b = ids[:-shift][same], ids[shift:][same]
        pieces.append(np.column_stack([a, b]))
        pieces.append(np.column_stack([b, a]))
    return np.vstack(pieces)
""",
    "eva": """
def skipgram_pairs(ids, starts, window):
    def of_document(words):
        for i in range(len(words)):
            lo, hi = max(0, i - window), min(len(words), i + window + 1)
            for j in range(lo, hi):
                if i != j:
                    yield words[i], words[j]

    found = []
    for s, e in zip(starts, starts[1:]):
        found.extend(of_document(ids[s:e]))
    return np.array(found, dtype=np.int64).reshape(len(found), 2)
""",
    "fay": """
def skipgram_pairs(ids, starts, window):
    i, j = np.indices((len(ids), len(ids)))
    doc = np.searchsorted(starts, np.arange(len(ids)), side="right")
    near = (np.abs(i - j) <= window) & (i != j)
    near &= doc[i] == doc[j]
    return np.stack([ids[i[near]], ids[j[near]]], axis=-1)
""",
}

SOFTMAX = {
    "ann": """
def softmax_loss(v_c, o, U):
    z = U.dot(v_c)
    z -= np.max(z)
    e = np.exp(z)
    p = e / e.sum()
    loss = -np.log(p[o])
    dz = p.copy()
    dz[o] -= 1
    grad_v = U.T.dot(dz)
    grad_U = np.outer(dz, v_c)
    return loss, grad_v, grad_U
""",
    "ben": """
def softmax_loss(v_c, o, U):
    scores = np.matmul(U, v_c)
    m = scores.max()
    log_z = m + np.log(np.sum(np.exp(scores - m)))
    loss = log_z - scores[o]
    probs = np.exp(scores - log_z)
    y = np.zeros(len(U))
    y[o] = 1.0
    diff = probs - y
    return loss, diff @ U, diff[:, None] * v_c[None, :]
""",
    "cat": """
def softmax_loss(v_c, o, U):
    s = (U * v_c).sum(axis=1)
    s = s - s.max()
    logp = s - np.log(np.exp(s).sum())
    p = np.exp(logp)
    grad_U = p.reshape(-1, 1) * v_c
    grad_U[o] = grad_U[o] - v_c
    grad_v = (p[:, np.newaxis] * U).sum(axis=0) - U[o]
    return -logp[o], grad_v, grad_U
""",
    "dan": """
def softmax_loss(v_c, o, U):
    from scipy.special import log_softmax
    logp = log_softmax(U @ v_c)
    error = np.exp(logp) - np.eye(len(U))[o]
    return -logp[o], error @ U, np.outer(error, v_c)
""",
    "eva": """
def softmax_loss(v_c, o, U):
    logits = U @ v_c
    top = max(logits)
    total = sum(np.exp(x - top) for x in logits)
    y_hat = np.array([np.exp(x - top) / total for x in logits])
    J = np.log(total) + top - logits[o]
    expected_u = np.zeros_like(v_c)
    for w in range(len(U)):
        expected_u += y_hat[w] * U[w]
    grad_center = expected_u - U[o]
    grad_outside = np.zeros_like(U)
    for w in range(len(U)):
        grad_outside[w] = (y_hat[w] - (w == o)) * v_c
    return J, grad_center, grad_outside
""",
    "fay": """
def softmax_loss(v_c, o, U):
    scores = U @ v_c
    scores = scores - np.max(scores)
    probabilities = np.exp(scores) / np.sum(np.exp(scores))
    loss = np.log(np.sum(np.exp(scores))) - scores[o]
    delta = probabilities
    delta[o] -= 1
    return loss, np.dot(U.T, delta), np.outer(delta, v_c)
""",
}

CLASS = {
    student: {"pairs": PAIRS[student].strip(), "softmax": SOFTMAX[student].strip()}
    for student in PAIRS
}

COPY = {
    # ben's answers, dressed up
    "pairs": '''
def skipgram_pairs(word_ids, bounds, size):
    """My solution."""
    first: list = []
    second = []  # the other column

    for a, b in zip(bounds[:-1], bounds[1:]):
        for t in range(a, b):
            low  = max(a, t - size)
            high = min(b, t + size + 1)
            for u in range(low, high):
                if u == t: continue
                first.append(word_ids[t]); second.append(word_ids[u])
    return np.stack([np.array(first, int), np.array(second, int)],
                    axis=1)
'''.strip(),
    "softmax": """
def softmax_loss(center, k, M):
    # scores of all words
    q = np.matmul(M, center)
    biggest = (q.max())
    lz = biggest + np.log(np.sum(np.exp(q - biggest)))
    prob = np.exp(q - lz)
    cost = lz - q[k]
    target = np.zeros(len(M))
    target[k] = 1.0
    d = prob - target
    return cost, d @ M, d[:, None] * center[None, :]
""".strip(),
}

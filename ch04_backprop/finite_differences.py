def finite_differences(
    cost: Callable[[], float], values: Float[np.ndarray, "*shape"], step: float = STEP
) -> Float[np.ndarray, "*shape"]:
    """(C(θ_i + h) − C(θ_i − h)) / 2h for every number in values, which is changed in place and put back.

    The loop is the point: two passes through everything a number.
    """
    slope = np.empty_like(values)
    for i in np.ndindex(values.shape):
        kept = values[i]
        values[i] = kept + step
        above = cost()
        values[i] = kept - step
        slope[i] = (above - cost()) / (2 * step)
        values[i] = kept
    return slope

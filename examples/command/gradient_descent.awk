# Gradient descent on a polynomial in Legendre's basis; every third point is held out.

FNR > 1 { n++; x[n] = $1; y[n] = $2; held_out[n] = (n % 3 == 0) }

END {
    steps = 200
    for (i = 1; i <= n; i++) fill_basis(i)
    for (step = 1; step <= steps; step++) {
        descend()
        if (step % 40 == 0) say("\"step\": " step ", ")
    }
    say("")
}

function fill_basis(i,    k) {
    basis[i, 0] = 1
    basis[i, 1] = x[i]
    for (k = 2; k <= degree; k++)
        basis[i, k] = ((2 * k - 1) * x[i] * basis[i, k - 1] - (k - 1) * basis[i, k - 2]) / k
}

function predict(i,    k, sum) {
    for (k = 0; k <= degree; k++) sum += weight[k] * basis[i, k]
    return sum
}

function descend(    i, k, error, count, slope) {
    for (i = 1; i <= n; i++) {
        if (held_out[i]) continue
        count++
        error = predict(i) - y[i]
        for (k = 0; k <= degree; k++) slope[k] += error * basis[i, k]
    }
    for (k = 0; k <= degree; k++) {
        speed[k] = momentum * speed[k] - rate * (slope[k] / count + penalty * weight[k])
        weight[k] += speed[k]
        if (weight[k] > 1e6 || weight[k] < -1e6) fail("the weights grew beyond all bounds")
    }
}

function loss(    i, sum, count) {
    for (i = 1; i <= n; i++) if (held_out[i]) { sum += (predict(i) - y[i]) ^ 2; count++ }
    return sum / count
}

function say(position) {
    printf "{%s\"loss\": %.8f}\n", position, loss() >> report
    fflush(report)
}

function fail(why) {
    print why > "/dev/stderr"
    exit 1
}

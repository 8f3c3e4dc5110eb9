/* Trains a network with one hidden layer by hand: what C and OpenBLAS make of the same epoch.
 *
 *   cc -O3 -march=native -ffast-math limit.c -o limit -lopenblas -lm
 *   ./limit FOLDER examples features hidden classes batch rate beta1 beta2 epsilon
 *
 * FOLDER holds pixels.u8 (examples x features, 0 to 255), labels.u8 (examples) and parameters.f32:
 * the weights (features x hidden), the hidden biases, the weights (hidden x classes), the output
 * biases. It prints a line when it has read them. Each time that standard input then gives the
 * order of an epoch, as many 32-bit integers as there are examples, it trains and prints the mean
 * cost; at the end of the input it stops.
 */
#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int examples, features, hidden, classes, batch;
static float rate, beta1, beta2, epsilon;
static uint8_t *pixels, *labels;

/* All parameters stand one after the other in one array, and so do gradients and moments. */
static size_t count;
static float *parameter, *gradient, *mean, *square;
static double power1 = 1, power2 = 1; /* beta1 and beta2 to the number of steps */

static float *input, *activation, *output, *delta; /* of a mini-batch, an example a row */

static void stop(const char *what) {
  fprintf(stderr, "limit: %s\n", what);
  exit(1);
}

static void *zeros(size_t bytes) {
  size_t whole = (bytes + 63) / 64 * 64; /* cache lines */
  void *memory = aligned_alloc(64, whole);
  if (!memory) stop("out of memory");
  return memset(memory, 0, whole);
}

static void *read_file(const char *folder, const char *name, size_t bytes) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  void *memory = zeros(bytes);
  if (!file || fread(memory, 1, bytes, file) != bytes) stop(path);
  fclose(file);
  return memory;
}

/* c (m x n) = a b, either of them transposed if so told; all are dense and row-major. */
static void multiply(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, int m, int n, int k,
                     const float *a, const float *b, float *c) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, ta == CblasTrans ? m : k, b,
              tb == CblasTrans ? k : n, 0, c, n);
}

static void sum_rows(const float *rows, int n_rows, int n, float *sums) {
  memset(sums, 0, n * sizeof *sums);
  for (int i = 0; i < n_rows; i++)
    for (int j = 0; j < n; j++) sums[j] += rows[i * n + j];
}

static void gather(const int32_t *order, int n) {
  for (int i = 0; i < n; i++) {
    const uint8_t *from = pixels + (size_t)order[i] * features;
    float *to = input + (size_t)i * features;
    for (int j = 0; j < features; j++) to[j] = from[j] * (1 / 255.f);
  }
}

static void forward(const float *w1, const float *b1, const float *w2, int n) {
  multiply(CblasNoTrans, CblasNoTrans, n, hidden, features, input, w1, activation);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < hidden; j++) {
      float z = activation[i * hidden + j] + b1[j];
      activation[i * hidden + j] = z > 0 ? z : 0;
    }
  multiply(CblasNoTrans, CblasNoTrans, n, classes, hidden, activation, w2, output);
}

/* Turn the logits into the derivative of the mean cost; return the cost, summed. */
static double softmax(const int32_t *order, const float *b2, int n) {
  double cost = 0;
  for (int i = 0; i < n; i++) {
    float *row = output + i * classes, sum = 0;
    int label = labels[order[i]];
    for (int j = 0; j < classes; j++) row[j] += b2[j];
    float largest = row[0];
    for (int j = 1; j < classes; j++) largest = row[j] > largest ? row[j] : largest;
    cost += largest - row[label];
    for (int j = 0; j < classes; j++) sum += row[j] = expf(row[j] - largest);
    cost += logf(sum);
    for (int j = 0; j < classes; j++) row[j] /= sum * n;
    row[label] -= 1.f / n;
  }
  return cost;
}

static void backward(const float *w2, float *g1, float *gb1, float *g2, float *gb2, int n) {
  multiply(CblasTrans, CblasNoTrans, hidden, classes, n, activation, output, g2);
  sum_rows(output, n, classes, gb2);
  multiply(CblasNoTrans, CblasTrans, n, hidden, classes, output, w2, delta);
  for (int i = 0; i < n * hidden; i++) delta[i] = activation[i] > 0 ? delta[i] : 0;
  sum_rows(delta, n, hidden, gb1);
  multiply(CblasTrans, CblasNoTrans, features, hidden, n, input, delta, g1);
}

static void adam(void) {
  float *restrict p = parameter, *restrict m = mean, *restrict v = square;
  const float *restrict g = gradient;
  power1 *= beta1;
  power2 *= beta2;
  float step = rate * sqrt(1 - power2) / (1 - power1);
  for (size_t i = 0; i < count; i++) {
    m[i] += (1 - beta1) * (g[i] - m[i]);
    v[i] += (1 - beta2) * (g[i] * g[i] - v[i]);
    p[i] -= step * m[i] / (sqrtf(v[i]) + epsilon);
  }
}

static double epoch(const int32_t *order) {
  size_t b1 = (size_t)features * hidden, w2 = b1 + hidden, b2 = w2 + (size_t)hidden * classes;
  double cost = 0;
  for (int start = 0; start < examples; start += batch) {
    int n = examples - start < batch ? examples - start : batch;
    gather(order + start, n);
    forward(parameter, parameter + b1, parameter + w2, n);
    cost += softmax(order + start, parameter + b2, n);
    backward(parameter + w2, gradient, gradient + b1, gradient + w2, gradient + b2, n);
    adam();
  }
  return cost / examples;
}

int main(int argc, char **argv) {
  if (argc != 11) stop("FOLDER and nine numbers are needed; the head of limit.c names them");
  examples = atoi(argv[2]), features = atoi(argv[3]), hidden = atoi(argv[4]);
  classes = atoi(argv[5]), batch = atoi(argv[6]);
  rate = atof(argv[7]), beta1 = atof(argv[8]), beta2 = atof(argv[9]), epsilon = atof(argv[10]);
  count = (size_t)hidden * (features + classes + 1) + classes;
  pixels = read_file(argv[1], "pixels.u8", (size_t)examples * features);
  labels = read_file(argv[1], "labels.u8", examples);
  parameter = read_file(argv[1], "parameters.f32", count * sizeof(float));
  gradient = zeros(count * sizeof(float));
  mean = zeros(count * sizeof(float)), square = zeros(count * sizeof(float));
  input = zeros((size_t)batch * features * sizeof(float));
  activation = zeros((size_t)batch * hidden * sizeof(float));
  output = zeros((size_t)batch * classes * sizeof(float));
  delta = zeros((size_t)batch * hidden * sizeof(float));
  int32_t *order = zeros(examples * sizeof *order);
  puts("ready");
  fflush(stdout);
  while (fread(order, sizeof *order, examples, stdin) == (size_t)examples) {
    printf("%.9g\n", epoch(order));
    fflush(stdout);
  }
}

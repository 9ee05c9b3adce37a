import reactHooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

// Few rules: what the compiler and the formatter do not see.
export default tseslint.config(
  { ignores: ['node_modules', 'src/api/gen', 'e2e/artifacts'] },
  {
    files: ['src/**/*.{ts,tsx}'],
    extends: [tseslint.configs.base],
    plugins: { 'react-hooks': reactHooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      'no-console': 'error',
      eqeqeq: ['error', 'smart'],
    },
  },
)

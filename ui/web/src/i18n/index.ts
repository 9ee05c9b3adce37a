import i18next from 'i18next'
import { initReactI18next, useTranslation } from 'react-i18next'
import { en } from './en.ts'
import { ja } from './ja.ts'

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation'
    resources: { translation: typeof en }
  }
}

export const languages = { en: 'English', ja: '日本語' } as const
export type LanguageCode = keyof typeof languages

const storageKey = 'hinomi-language'

function initialLanguage(): LanguageCode {
  let stored: string | null = null
  try {
    stored = localStorage.getItem(storageKey)
  } catch {
    // Storage may be forbidden: the browser's language it is.
  }
  if (stored && stored in languages) return stored as LanguageCode
  return navigator.language.startsWith('ja') ? 'ja' : 'en'
}

export async function startI18n(): Promise<void> {
  await i18next.use(initReactI18next).init({
    resources: { en: { translation: en }, ja: { translation: ja } },
    lng: initialLanguage(),
    fallbackLng: 'en',
    interpolation: { escapeValue: false }, // React escapes
  })
  document.documentElement.lang = i18next.language
}

export function setLanguage(code: LanguageCode): void {
  void i18next.changeLanguage(code)
  document.documentElement.lang = code
  try {
    localStorage.setItem(storageKey, code)
  } catch {
    // The choice lasts until the page is closed.
  }
}

/** The texts and the locale for numbers and dates. */
export function useText() {
  const { t, i18n } = useTranslation()
  return { t, locale: i18n.language as LanguageCode }
}

export type T = ReturnType<typeof useText>['t']
